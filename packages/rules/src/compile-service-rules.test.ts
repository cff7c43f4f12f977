import type { ProxyPlan } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../test/packets/a-plan.ts';
import type { Family } from './addresses.ts';
import { CompiledServices } from './compiled-services.ts';
import type { RulesNode } from './select-endpoints.ts';
import type { ServiceRules, SkippedOfService } from './service-rules.ts';

const NODE = { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] };
const REMOTE = anEndpoint({ node: 'n2' });

function compileServiceRules(
  plans: readonly ProxyPlan[],
  family: Family,
  node: RulesNode,
): { services: readonly ServiceRules[]; skipped: readonly SkippedOfService[] } {
  const compiled = new CompiledServices(family, node);
  compiled.apply(plans.map((plan) => ({ key: plan, plan })));
  return { services: compiled.all(), skipped: compiled.skipped() };
}

function rulesOf(...plans: ProxyPlan[]): readonly ServiceRules[] {
  return compileServiceRules(plans, 'IPv4', NODE).services;
}

describe('what nothing can serve', () => {
  test.for<{ name: string; plan: ProxyPlan; internal: string; external: string }>([
    {
      name: 'is rejected without endpoints',
      plan: aPlan({ externalIPs: ['203.0.113.1'], ports: [aPort({ endpoints: [] })] }),
      internal: 'reject',
      external: 'reject',
    },
    {
      name: 'is dropped when endpoints are elsewhere',
      plan: aPlan({
        externalIPs: ['203.0.113.1'],
        internalTrafficPolicy: 'Local',
        externalTrafficPolicy: 'Local',
        ports: [aPort({ endpoints: [REMOTE] })],
      }),
      internal: 'drop',
      external: 'drop',
    },
    {
      name: 'is dropped only under the policy that forbids it',
      plan: aPlan({
        externalIPs: ['203.0.113.1'],
        externalTrafficPolicy: 'Local',
        ports: [aPort({ endpoints: [REMOTE] })],
      }),
      internal: 'forward',
      external: 'drop',
    },
  ])('$name', ({ plan, internal, external }) => {
    expect(rulesOf(plan)[0]).toMatchObject({ internal: { verdict: internal }, external: { verdict: external } });
  });
});

describe('an address and port that two services claim', () => {
  test('stays with the cluster IP, whatever the names are', () => {
    const thief = aPlan({ name: 'a-thief', clusterIPs: ['10.96.0.66'], externalIPs: ['10.96.0.10'] });
    const { services, skipped } = compileServiceRules([thief, aPlan()], 'IPv4', NODE);
    expect(services.map(({ clusterIPs, externalIPs }) => [clusterIPs, externalIPs])).toEqual([
      [['10.96.0.66'], []],
      [['10.96.0.10'], []],
    ]);
    expect(skipped).toEqual([
      { service: 'shop/a-thief', path: 'externalIPs[0]', reason: '10.96.0.10 tcp port 80 belongs to shop/web' },
    ]);
  });

  test('goes to the first by name among external ones, node ports too', () => {
    const port = aPort({ nodePort: 30_080 });
    const first = aPlan({ name: 'a', clusterIPs: ['10.96.0.1'], loadBalancerVIPs: ['203.0.113.1'], ports: [port] });
    const second = aPlan({ name: 'b', clusterIPs: ['10.96.0.2'], externalIPs: ['203.0.113.1'], ports: [port] });
    const { services, skipped } = compileServiceRules([second, first], 'IPv4', NODE);
    expect(services.map(({ nodePort }) => nodePort)).toEqual([30_080, undefined]);
    expect(skipped.map(({ service, path }) => [service, path])).toEqual([
      ['shop/b', 'externalIPs[0]'],
      ['shop/b', 'ports[0].nodePort'],
    ]);
  });

  test('is no conflict on another port or protocol, or within one service port', () => {
    const plan = aPlan({
      externalIPs: ['203.0.113.1'],
      loadBalancerVIPs: ['203.0.113.1'],
      ports: [aPort(), aPort({ name: 'udp', protocol: 'UDP' }), aPort({ name: 'alt', port: 81 })],
    });
    expect(compileServiceRules([plan], 'IPv4', NODE)).toMatchObject({ services: [{}, {}, {}], skipped: [] });
  });
});

describe('source ranges', () => {
  const plan = aPlan({
    loadBalancerVIPs: ['203.0.113.1'],
    loadBalancerSourceRanges: ['192.0.2.0/24', '192.0.2.8/32', 'fd00::/8'],
  });

  test('are those of the family, without overlaps', () => {
    expect(rulesOf(plan)[0]?.sourceRanges).toEqual(['192.0.2.0/24']);
  });

  test('that allow the node allow the addresses themselves', () => {
    const open = { ...plan, loadBalancerSourceRanges: ['10.240.0.0/16'] };
    expect(rulesOf(open)[0]?.sourceRanges).toEqual(['10.240.0.0/16', '203.0.113.1/32']);
  });
});

test('a service without a cluster IP in a family is not in it', () => {
  const plan = aPlan({
    clusterIPs: ['fd00:96::1'],
    externalIPs: ['203.0.113.1'],
    ports: [aPort({ nodePort: 30_080 })],
  });
  expect(compileServiceRules([plan], 'IPv4', NODE)).toEqual({ services: [], skipped: [] });
});

test('what is not fit for a ruleset is left out, and the rest stays', () => {
  const plan = aPlan({
    externalIPs: ['203.0.113.1', '10.0.0.1 } ; flush ruleset', '010.0.0.1'],
    loadBalancerVIPs: ['203.0.113.2'],
    loadBalancerSourceRanges: ['192.0.2.0/24', 'anybody'],
    ports: [
      aPort({
        name: 'http',
        endpoints: [anEndpoint(), anEndpoint({ address: '10.244.1.300' }), anEndpoint({ port: 0 })],
      }),
      aPort({ name: 'bad', port: 80.5 }),
      aPort({ name: 'http' }),
    ],
  });
  const { services, skipped } = compileServiceRules([plan], 'IPv4', NODE);
  expect(services).toMatchObject([{ externalIPs: ['203.0.113.1'], loadBalancerVIPs: [], cluster: [anEndpoint()] }]);
  expect(skipped.map(({ path }) => path)).toEqual([
    'loadBalancerSourceRanges[1]',
    'externalIPs[1]',
    'externalIPs[2]',
    'ports[1]',
    'ports[0].endpoints[1]',
    'ports[0].endpoints[2]',
    'ports[2]',
  ]);
});

test('labels hold nothing that a backend would read', () => {
  const [rules] = rulesOf(aPlan({ name: 'x"; }\n\u0000drop $(id) `id`', ports: [aPort({ name: 'p'.repeat(300) })] }));
  expect(rules?.label).toMatch(/^shop\/x[A-Za-z0-9._/:-]{1,94}$/);
});
