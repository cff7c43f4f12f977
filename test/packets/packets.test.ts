/** Real TCP and UDP through rendered rules: what a client meets, which endpoint answers, and whom it sees. */
import type { ProxyPlan } from '@signalbox/contracts';
import { type RenderOptions, renderRules } from '@signalbox/rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { NetworkLab, type Probe, type ProbeResult } from './network-lab.ts';
import { describeWithPrograms } from './requirements.ts';

type Backend = 'nftables' | 'iptables';

/** The same network in both families. */
const FAMILIES = {
  IPv4: {
    service: '10.96.0',
    node: '10.240.0.1',
    pods: '10.244.1',
    client: '10.244.2.100',
    outside: '192.0.2',
    vip: '203.0.113',
  },
  IPv6: {
    service: 'fd00:96',
    node: 'fd00:240::1',
    pods: 'fd00:244:1',
    client: 'fd00:244:2::100',
    outside: '2001:db8',
    vip: '2001:db8:f',
  },
} as const;
type Family = keyof typeof FAMILIES;

const NODE = { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] };

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = backend === 'nftables' ? ['ip', 'nft'] : ['ip', 'iptables-restore', 'ip6tables-restore'];
  describeWithPrograms(`packets through ${backend} rules`, programs, () => {
    const lab = new NetworkLab(backend);
    beforeAll(async () => {
      await lab.open();
      load(lab, backend, servicesOf('IPv4', 'IPv6'));
    });
    afterAll(() => lab.close());
    for (const family of ['IPv4', 'IPv6'] as const) describe(family, () => probeFamily(lab, backend, family));
  });
}

function load(lab: NetworkLab, backend: Backend, plans: readonly ProxyPlan[]): void {
  const options = { node: NODE, clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'] };
  const text = (families: RenderOptions['families']): string => {
    const { text, skipped } = renderRules(plans, { ...options, backend, families });
    expect(skipped).toEqual([]);
    return text;
  };
  if (backend === 'nftables') {
    lab.run('node', ['nft', '-f', '-'], text(['IPv4', 'IPv6']));
    return;
  }
  lab.run('node', ['iptables-restore', '--noflush'], text(['IPv4']));
  lab.run('node', ['ip6tables-restore', '--noflush'], text(['IPv6']));
}

function servicesOf(...families: Family[]): ProxyPlan[] {
  return families.flatMap((family, index) => services(family, 30_080 + index * 10));
}

function services(family: Family, nodePort: number): ProxyPlan[] {
  const { service, pods, vip } = FAMILIES[family];
  const both = [anEndpoint({ address: join(pods, 11) }), anEndpoint({ address: join(pods, 12) })];
  const elsewhere = both.map((endpoint) => ({ ...endpoint, node: 'n2' }));
  const named = (name: string, host: number, parts: Partial<ProxyPlan>): ProxyPlan =>
    aPlan({
      name: `${name}-${family}`,
      clusterIPs: [join(service, host)],
      ports: [aPort({ endpoints: both })],
      ...parts,
    });
  return [
    named('web', 1, { ports: [aPort({ endpoints: both }), aPort({ name: 'udp', protocol: 'UDP', endpoints: both })] }),
    named('node-port', 2, {
      ports: [aPort({ endpoints: both, nodePort }), aPort({ name: 'udp', protocol: 'UDP', endpoints: both, nodePort })],
    }),
    named('local', 3, {
      externalTrafficPolicy: 'Local',
      ports: [aPort({ endpoints: [both[0] ?? anEndpoint(), elsewhere[1] ?? anEndpoint()], nodePort: nodePort + 1 })],
    }),
    named('balanced', 4, {
      loadBalancerVIPs: [join(vip, 4)],
      loadBalancerSourceRanges: [`${join(FAMILIES[family].outside, 10)}/${family === 'IPv4' ? 32 : 128}`],
    }),
    named('empty', 5, { ports: [aPort({ endpoints: [], nodePort: nodePort + 2 })] }),
    named('away', 6, { internalTrafficPolicy: 'Local', ports: [aPort({ endpoints: elsewhere })] }),
    named('sticky', 7, { sessionAffinitySeconds: 600 }),
    named('guarded-and-empty', 9, {
      loadBalancerVIPs: [join(vip, 9)],
      loadBalancerSourceRanges: [`${join(FAMILIES[family].outside, 10)}/${family === 'IPv4' ? 32 : 128}`],
      ports: [aPort({ endpoints: [] })],
    }),
    named('alone', 8, { ports: [aPort({ endpoints: both.slice(0, 1) })] }),
  ];
}

function join(prefix: string, host: number): string {
  return prefix.includes(':') ? `${prefix}::${host}` : `${prefix}.${host}`;
}

function probeFamily(lab: NetworkLab, backend: Backend, family: Family): void {
  const { service, node, pods, client, outside, vip } = FAMILIES[family];
  const nodePort = family === 'IPv4' ? 30_080 : 30_090;
  const [first, second] = [join(pods, 11), join(pods, 12)];
  const ok = (endpoints: string[], source: string): ProbeResult => ({ outcomes: ['ok'], endpoints, sources: [source] });
  const failed = (outcome: string): ProbeResult => ({ outcomes: [outcome], endpoints: [], sources: [] });
  const gateway = join(pods, 1);
  const toService = (host: number, rest: Partial<Probe> = {}): Probe => ({
    from: 'client',
    protocol: 'tcp',
    host: join(service, host),
    port: 80,
    ...rest,
  });
  const toNode = (port: number, rest: Partial<Probe> = {}): Probe => ({
    from: 'outside',
    source: join(outside, 10),
    protocol: 'tcp',
    host: node,
    port,
    ...rest,
  });

  test.concurrent.for<{ name: string; probe: Probe; expected: ProbeResult }>([
    {
      name: 'a cluster IP reaches every endpoint, and they see the pod',
      probe: toService(1),
      expected: ok([first, second], client),
    },
    { name: 'so does UDP', probe: toService(1, { protocol: 'udp' }), expected: ok([first, second], client) },
    {
      name: 'the node itself is masqueraded',
      probe: toService(1, { from: 'node' }),
      expected: ok([first, second], gateway),
    },
    {
      name: 'a node port masquerades clients from outside',
      probe: toNode(nodePort),
      expected: ok([first, second], gateway),
    },
    {
      name: 'so does its UDP',
      probe: { ...toNode(nodePort, { protocol: 'udp' }), source: '' },
      expected: ok([first, second], gateway),
    },
    {
      name: 'a Local node port keeps the client and uses local endpoints',
      probe: toNode(nodePort + 1),
      expected: ok([first], join(outside, 10)),
    },
    {
      name: 'but serves pods of the node from everywhere',
      probe: toNode(nodePort + 1, { from: 'client', source: '' }),
      expected: ok([first, second], client),
    },
    {
      name: 'a load balancer lets its source range in',
      probe: toNode(80, { host: join(vip, 4) }),
      expected: ok([first, second], gateway),
    },
    {
      name: 'and nobody else',
      probe: toNode(80, { host: join(vip, 4), source: join(outside, 20), times: 1 }),
      expected: failed('timeout'),
    },
    {
      name: 'a load balancer without endpoints refuses its source range',
      probe: toNode(80, { host: join(vip, 9), times: 1 }),
      expected: failed('ECONNREFUSED'),
    },
    {
      name: 'and others, unless its ranges are checked first',
      probe: toNode(80, { host: join(vip, 9), source: join(outside, 20), times: 1 }),
      expected: failed(backend === 'nftables' ? 'timeout' : 'ECONNREFUSED'),
    },
    {
      name: 'a service without endpoints is refused',
      probe: toService(5, { times: 1 }),
      expected: failed('ECONNREFUSED'),
    },
    { name: 'from the node too', probe: toService(5, { from: 'node', times: 1 }), expected: failed('ECONNREFUSED') },
    { name: 'and at its node port', probe: toNode(nodePort + 2, { times: 1 }), expected: failed('ECONNREFUSED') },
    {
      name: 'endpoints that are all elsewhere leave a Local service silent',
      probe: toService(6, { times: 1 }),
      expected: failed('timeout'),
    },
    {
      name: 'a pod can reach itself through its service',
      probe: toService(8, { from: 'pods', source: first }),
      expected: ok([first], gateway),
    },
  ])('$name', async ({ probe, expected }, { expect }) => {
    expect(await lab.probe(probe)).toEqual(expected);
  });

  test('a client with session affinity keeps its endpoint over a reload, and gets another when that is gone', async () => {
    const plans = servicesOf('IPv4', 'IPv6');
    const before = await lab.probe(toService(7));
    expect(before.endpoints).toHaveLength(1);
    load(lab, backend, plans);
    expect(await lab.probe(toService(7))).toEqual(before);
    load(
      lab,
      backend,
      plans.map((plan) => withoutEndpoint(plan, before.endpoints[0])),
    );
    const others = [first, second].filter((address) => address !== before.endpoints[0]);
    expect(await lab.probe(toService(7))).toEqual(ok(others, client));
    load(lab, backend, plans);
  });

  test('an open connection stays open when the rules are loaded again, even without its service', async () => {
    const echo = await lab.connect('client', join(service, 1), 80);
    expect(await echo('before')).toBe('before');
    load(lab, backend, servicesOf('IPv4', 'IPv6'));
    expect(await echo('reloaded')).toBe('reloaded');
    load(
      lab,
      backend,
      servicesOf('IPv4', 'IPv6').filter(({ name }) => !name.startsWith('web')),
    );
    expect(await echo('removed')).toBe('removed');
    load(lab, backend, servicesOf('IPv4', 'IPv6'));
  });
}

function withoutEndpoint(plan: ProxyPlan, address: string | undefined): ProxyPlan {
  const ports = plan.ports.map((port) => ({
    ...port,
    endpoints: port.endpoints.filter((endpoint) => endpoint.address !== address),
  }));
  return { ...plan, ports };
}
