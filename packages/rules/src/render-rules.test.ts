import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RECORDED_CLUSTER_CIDRS, recordedNode, recordedPlans } from '../../../test/packets/recorded-cluster.ts';
import { type RenderOptions, renderRules } from './index.ts';

const plans = recordedPlans();

function options(backend: RenderOptions['backend'], families: RenderOptions['families']): RenderOptions {
  return { node: recordedNode('node-a'), backend, families, clusterCIDRs: RECORDED_CLUSTER_CIDRS };
}

describe('the recorded cluster on node-a', () => {
  test.for<{ name: string; file: string; options: RenderOptions }>([
    { name: 'nftables', file: 'node-a.golden.nft', options: options('nftables', ['IPv4', 'IPv6']) },
    { name: 'iptables', file: 'node-a.golden.iptables', options: options('iptables', ['IPv4']) },
    { name: 'ip6tables', file: 'node-a.golden.ip6tables', options: options('iptables', ['IPv6']) },
    { name: 'IPVS', file: 'node-a.golden.ipvs.sh', options: options('ipvs', ['IPv4']) },
    { name: 'IPVS of IPv6', file: 'node-a.golden.ipvs6.sh', options: options('ipvs', ['IPv6']) },
  ])('renders $name as recorded', async ({ file, options }) => {
    const { text, skipped } = renderRules(plans, options);
    expect(skipped).toEqual([]);
    await expect(text).toMatchFileSnapshot(`__snapshots__/${file}`);
  });

  test.for<{ backend: RenderOptions['backend']; families: RenderOptions['families'] }>([
    { backend: 'nftables', families: ['IPv4', 'IPv6'] },
    { backend: 'iptables', families: ['IPv4'] },
    { backend: 'ipvs', families: ['IPv4'] },
  ])('does not depend on the order of plans: $backend', ({ backend, families }) => {
    const expected = renderRules(plans, options(backend, families)).text;
    const shuffled = fc.shuffledSubarray(plans, { minLength: plans.length });
    fc.assert(
      fc.property(shuffled, (some) => renderRules(some, options(backend, families)).text === expected),
      { numRuns: 20 },
    );
  });

  test('is rendered the same for families in any order', () => {
    const text = renderRules(plans, options('nftables', ['IPv6', 'IPv4', 'IPv6'])).text;
    expect(text).toBe(renderRules(plans, options('nftables', ['IPv4', 'IPv6'])).text);
  });
});

describe('traffic of pods', () => {
  const bridge = { mode: 'BridgeInterface', interfaceName: 'cni0' } as const;
  const prefix = { mode: 'InterfaceNamePrefix', prefix: 'veth' } as const;
  test.for<{ backend: RenderOptions['backend']; change: Partial<RenderOptions>; rule: string }>([
    { backend: 'nftables', change: {}, rule: 'ip saddr != @cluster-cidrs jump mark-for-masquerade' },
    { backend: 'nftables', change: { detectLocal: bridge }, rule: 'iifname != "cni0" jump mark-for-masquerade' },
    { backend: 'nftables', change: { detectLocal: prefix }, rule: 'iifname "veth*" goto endpoints-2' },
    { backend: 'nftables', change: { detectLocal: { mode: 'NodeCIDR' } }, rule: 'cluster-cidrs {\n  10.244.1.0/24\n}' },
    { backend: 'nftables', change: { masqueradeAll: true }, rule: 'internal-2 jump mark-for-masquerade' },
    { backend: 'iptables', change: { detectLocal: bridge }, rule: '! -i cni0 -j KUBE-MARK-MASQ' },
    { backend: 'iptables', change: { detectLocal: prefix }, rule: '-i veth+ -j KUBE-SVC-' },
    {
      backend: 'iptables',
      change: { detectLocal: { mode: 'NodeCIDR' } },
      rule: '! -s 10.244.1.0/24 -j KUBE-MARK-MASQ',
    },
    { backend: 'ipvs', change: { detectLocal: prefix }, rule: '-A KUBE-SERVICES -i veth+ -j RETURN' },
  ])('is known on $backend with $change', ({ backend, change, rule }) => {
    const node = { ...recordedNode('node-a'), podCIDRs: ['10.244.1.0/24'] };
    expect(renderRules(plans, { ...options(backend, ['IPv4']), node, ...change }).text).toContain(rule);
  });

  test('that goes to an unknown address of a service network is dropped', () => {
    const { text } = renderRules(plans, { ...options('nftables', ['IPv4']), serviceCIDRs: ['10.96.0.0/16'] });
    expect(text).toContain('cluster-ips-check ip daddr @service-cidrs drop');
    expect(text).toContain('service-cidrs {\n  10.96.0.0/16\n}');
  });
});

describe('node ports', () => {
  test.for<{ backend: RenderOptions['backend']; nodePortAddresses: string[]; rule: string }>([
    { backend: 'nftables', nodePortAddresses: ['primary'], rule: 'nodeport-ips {\n  10.240.0.1/32\n}' },
    { backend: 'nftables', nodePortAddresses: ['192.0.2.0/24'], rule: 'nodeport-ips {\n  192.0.2.0/24\n}' },
    { backend: 'iptables', nodePortAddresses: ['primary'], rule: '-d 10.240.0.1/32 -m addrtype --dst-type LOCAL' },
  ])('answer at $nodePortAddresses on $backend', ({ backend, nodePortAddresses, rule }) => {
    expect(renderRules(plans, { ...options(backend, ['IPv4']), nodePortAddresses }).text).toContain(rule);
  });
});

describe('options that cannot be followed', () => {
  test.for<{ name: string; change: Partial<RenderOptions>; message: string }>([
    { name: 'no family', change: { families: [] }, message: 'at least one of the families' },
    { name: 'two families for iptables', change: { backend: 'iptables' }, message: 'pick IPv4 or IPv6' },
    { name: 'two families for IPVS', change: { backend: 'ipvs' }, message: 'pick IPv4 or IPv6' },
    { name: 'a bad cluster CIDR', change: { clusterCIDRs: ['10.0.0.0'] }, message: '"10.0.0.0" is not a cluster CIDR' },
    {
      name: 'a bad node port address',
      change: { nodePortAddresses: ['x'] },
      message: '"x" is not a node port address',
    },
  ])('are refused: $name', ({ change, message }) => {
    const wanted = { ...options('nftables', ['IPv4', 'IPv6']), ...change };
    expect(() => renderRules(plans, wanted)).toThrow(expect.objectContaining({ code: 'invalid' }));
    expect(() => renderRules(plans, wanted)).toThrow(message);
  });
});
