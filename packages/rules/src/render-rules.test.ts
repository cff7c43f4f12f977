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
