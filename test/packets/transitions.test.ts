/** What clients meet while a service changes: new connections follow the rules at once, open ones stay where they are. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { NodeRules, type RulesScript, staleFlows } from '@signalbox/rules';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { NetworkLab, type ProbeResult } from './network-lab.ts';
import { describeWithPrograms } from './requirements.ts';

const FAMILIES = {
  IPv4: { service: '10.96.0.1', first: '10.244.1.11', second: '10.244.1.12', client: '10.244.2.100' },
  IPv6: { service: 'fd00:96::1', first: 'fd00:244:1::11', second: 'fd00:244:1::12', client: 'fd00:244:2::100' },
} as const;
type Family = keyof typeof FAMILIES;

const TERMINATING = { ready: false, serving: true, terminating: true };
const SILENT: ProbeResult = { outcomes: ['timeout'], endpoints: [], sources: [] };

for (const backend of ['nftables', 'iptables'] as const) {
  const programs = backend === 'nftables' ? ['nft'] : ['iptables-restore', 'ip6tables-restore'];
  describeWithPrograms(`changes of ${backend} rules`, ['ip', 'conntrack', ...programs], () => {
    const lab = new NetworkLab(`change-${backend}`);
    const rules = new NodeRules({
      node: { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] },
      backend,
      families: ['IPv4', 'IPv6'],
      clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'],
    });
    beforeAll(async () => {
      await lab.open();
      apply(lab, rules.full());
    });
    afterAll(() => lab.close());
    describe.for(['IPv4', 'IPv6'] as const)('%s', (family) => tellStory(lab, rules, family));
  });
}

/** One test after the other, each from where the last one left the service. */
function tellStory(lab: NetworkLab, rules: NodeRules, family: Family): void {
  const { service, first, second, client } = FAMILIES[family];
  const change = (endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}): void => {
    const plan = planOf(family, endpoints, parts);
    apply(lab, rules.update([{ key: plan, plan }]));
  };
  const one = anEndpoint({ address: first });
  const two = anEndpoint({ address: second });
  const reached = async (protocol: 'tcp' | 'udp'): Promise<ProbeResult> =>
    lab.probe({ from: 'client', protocol, host: service, port: 80 });
  const served = (...endpoints: string[]): ProbeResult => ({ outcomes: ['ok'], endpoints, sources: [client] });
  let echo: (line: string) => Promise<string> = () => Promise.reject(new Error('not connected'));
  let send: () => Promise<string> = () => Promise.reject(new Error('not connected'));

  test('a service and its endpoint appear', async () => {
    change([one]);
    expect(await reached('tcp')).toEqual(served(first));
    echo = await lab.connect('client', service, 80);
    send = await lab.flow('client', service, 80);
    expect([await echo('a'), await send()]).toEqual(['a', first]);
  });

  test('an endpoint is added: new connections reach it too', async () => {
    change([one, two]);
    expect(await reached('tcp')).toEqual(served(first, second));
    expect(await reached('udp')).toEqual(served(first, second));
    expect([await echo('b'), await send()]).toEqual(['b', first]);
  });

  test('an endpoint terminates: new connections avoid it, open ones stay', async () => {
    change([{ ...one, ...TERMINATING }, two]);
    expect(await reached('tcp')).toEqual(served(second));
    expect(await reached('udp')).toEqual(served(second));
    expect([await echo('c'), await send()]).toEqual(['c', first]);
  });

  test('all endpoints terminate: those that serve are used again', async () => {
    change([
      { ...one, ...TERMINATING },
      { ...two, ...TERMINATING },
    ]);
    expect(await reached('tcp')).toEqual(served(first, second));
  });

  test('an endpoint is removed: UDP flows to it go elsewhere, TCP connections end by themselves', async () => {
    change([two]);
    expect(await reached('tcp')).toEqual(served(second));
    expect([await echo('d'), await send()]).toEqual(['d', second]);
  });

  test('a policy changes: what it forbids is dropped, open connections stay', async () => {
    change([{ ...two, node: 'n2' }], { internalTrafficPolicy: 'Local' });
    expect(await lab.probe({ from: 'client', protocol: 'tcp', host: service, port: 80, times: 1 })).toEqual(SILENT);
    expect([await echo('e'), await send()]).toEqual(['e', second]);
    change([two]);
    expect(await reached('tcp')).toEqual(served(second));
  });

  test('a service loses its endpoints: it refuses', async () => {
    change([]);
    const probe = await lab.probe({ from: 'client', protocol: 'tcp', host: service, port: 80, times: 1 });
    expect(probe.outcomes).toEqual(['ECONNREFUSED']);
    expect(await echo('f')).toBe('f');
    change([two]);
  });

  test('a service is deleted: nothing answers any more, open connections stay', async () => {
    apply(lab, rules.update([{ key: planOf(family, []), plan: undefined }]));
    const probe = await lab.probe({ from: 'client', protocol: 'tcp', host: service, port: 80, times: 1 });
    expect(probe.endpoints).toEqual([]);
    expect([await echo('g'), await send()]).toEqual(['g', second]);
    apply(lab, rules.update([]));
    expect([await echo('h'), await send()]).toEqual(['h', second]);
  });
}

function planOf(family: Family, endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}): ProxyPlan {
  return aPlan({
    name: `web-${family}`,
    clusterIPs: [FAMILIES[family].service],
    ports: [aPort({ endpoints }), aPort({ name: 'udp', protocol: 'UDP', endpoints })],
    ...parts,
  });
}

/** As an agent does it: the steps, then the flows that lead nowhere. */
function apply(lab: NetworkLab, { steps, skipped, flowChecks }: RulesScript): void {
  expect(skipped).toEqual([]);
  for (const { program, args, input } of steps) lab.run('node', [program, ...args], input);
  if (flowChecks.length === 0) return;
  for (const family of ['IPv4', 'IPv6'] as const) {
    const listing = lab.run('node', ['conntrack', '-L', '-p', 'udp', '-f', family.toLowerCase()]);
    for (const flow of staleFlows(listing, flowChecks, { family, nodeAddresses: [] })) {
      const to = ['--orig-dst', flow.address, '--orig-port-dst', `${flow.port}`];
      const from = ['--reply-src', flow.endpointAddress, '--reply-port-src', `${flow.endpointPort}`];
      lab.run('node', ['conntrack', '-D', '-f', family.toLowerCase(), '-p', 'udp', ...to, ...from]);
    }
  }
}
