import type { PlanEndpoint } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { SimulatedRemovals } from '../../../../test/harness/simulated-removals.ts';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';

const NOBODY = Number.POSITIVE_INFINITY;
const [POD, OTHER_POD] = ['10.244.1.1', '10.244.1.2'] as const;
const WEB = aPlan();
const WEB_ENTRY = '10.96.0.10 tcp port 80';
const EXTERNAL = aPlan({ externalIPs: ['203.0.113.1'] });
const EXTERNAL_ENTRY = '203.0.113.1 tcp port 80';

/** With consumers that have the revision of the first services. */
function removals(policy: ConstructorParameters<typeof SimulatedRemovals>[0], ...plans: (typeof WEB)[]) {
  const simulated = new SimulatedRemovals(policy);
  simulated.have(...plans);
  simulated.acknowledge({ dns: 1, lb: 1 });
  return simulated;
}

function endpointsOf(simulated: SimulatedRemovals): PlanEndpoint[] {
  return simulated.lingeringPlans.flatMap(({ ports }) => ports.flatMap(({ endpoints }) => endpoints));
}

describe('what lingers', () => {
  test.for([
    {
      name: 'all entries of a Service that is gone',
      before: EXTERNAL,
      after: [],
      expected: [WEB_ENTRY, EXTERNAL_ENTRY],
    },
    { name: 'an external IP that is taken away', before: EXTERNAL, after: [WEB], expected: [EXTERNAL_ENTRY] },
    {
      name: 'a cluster IP that is another one now',
      before: WEB,
      after: [aPlan({ clusterIPs: ['10.96.0.11'] })],
      expected: [WEB_ENTRY],
    },
    {
      name: 'a load-balancer address',
      before: aPlan({ loadBalancerVIPs: ['203.0.113.9'] }),
      after: [WEB],
      expected: ['203.0.113.9 tcp port 80'],
    },
    {
      name: 'a node port',
      before: aPlan({ ports: [aPort({ nodePort: 30_080 })] }),
      after: [WEB],
      expected: ['node tcp port 30080'],
    },
    {
      name: 'a service port, while another one has its endpoints',
      before: aPlan({ ports: [aPort({ name: 'old', port: 81 })] }),
      after: [aPlan({ ports: [aPort({ name: 'new' })] })],
      expected: ['10.96.0.10 tcp port 81'],
    },
    {
      name: 'nothing where an address only changes its role',
      before: aPlan({ externalIPs: ['203.0.113.9'] }),
      after: [aPlan({ loadBalancerVIPs: ['203.0.113.9'] })],
      expected: [],
    },
    {
      name: 'nothing where a service port is only renamed',
      before: WEB,
      after: [aPlan({ ports: [aPort({ name: 'http' })] })],
      expected: [],
    },
    {
      name: 'nothing that nobody serves',
      before: aPlan({ ports: [aPort({ endpoints: [] })] }),
      after: [],
      expected: [],
    },
    {
      name: 'nothing that another Service has at once',
      before: WEB,
      after: [aPlan({ name: 'other' })],
      expected: [],
    },
  ])('$name', ({ before, after, expected }) => {
    const simulated = removals({}, before);
    simulated.have(...after);
    expect(simulated.entries).toEqual(expected);
    expect(simulated.size).toBe(expected.length);
  });

  test('is served by the endpoints of now', () => {
    const simulated = removals({}, EXTERNAL);
    simulated.have(WEB);
    simulated.have(aPlan({ ports: [aPort({ endpoints: [anEndpoint({ address: OTHER_POD })] })] }));
    expect(endpointsOf(simulated).map(({ address }) => address)).toEqual([OTHER_POD]);
  });

  test('of a Service that is gone, by the last that were known', () => {
    const simulated = removals({}, EXTERNAL);
    simulated.have();
    expect(endpointsOf(simulated).map(({ address }) => address)).toEqual([POD]);
  });

  test('of a service port that is gone, by those that serve other ports, in their condition', () => {
    const old = aPort({ name: 'old', port: 81, endpoints: [anEndpoint(), anEndpoint({ address: OTHER_POD })] });
    const simulated = removals({}, aPlan({ ports: [old] }));
    simulated.have(aPlan({ ports: [aPort({ endpoints: [anEndpoint({ ready: false, terminating: true })] })] }));
    expect(endpointsOf(simulated)).toEqual([anEndpoint({ ready: false, terminating: true })]);
  });

  test('is never open to more than it was, nor to more than the Service is now', () => {
    const vip = { loadBalancerVIPs: ['203.0.113.9'], loadBalancerSourceRanges: ['192.0.2.0/24'] };
    const simulated = removals({}, aPlan(vip));
    const rangesNow = () => simulated.lingeringPlans.map(({ loadBalancerSourceRanges }) => loadBalancerSourceRanges);
    simulated.have(WEB);
    expect(rangesNow()).toEqual([['192.0.2.0/24']]);
    simulated.have(aPlan({ loadBalancerSourceRanges: ['192.0.2.128/25'] }));
    expect(rangesNow()).toEqual([['192.0.2.128/25']]);
  });

  test('says nothing on the health check node port', () => {
    const simulated = removals({}, aPlan({ healthCheckNodePort: 32_000 }));
    simulated.have();
    expect(simulated.lingeringPlans[0]).not.toHaveProperty('healthCheckNodePort');
  });
});

describe('it lingers', () => {
  test('not at all where there are no DNS servers and no load balancers', () => {
    const simulated = new SimulatedRemovals();
    simulated.have(WEB);
    expect(simulated.have()).toEqual([{ key: WEB, plan: undefined }]);
  });

  test('not at all with a limit of 0', () => {
    const simulated = removals({ timeLimitMs: 0 }, WEB);
    expect(simulated.have()).toEqual([{ key: WEB, plan: undefined }]);
  });

  test('not at all where everybody is there already', () => {
    const simulated = removals({}, WEB);
    simulated.acknowledge({ dns: 2, lb: 2 });
    expect(simulated.have()).toEqual([{ key: WEB, plan: undefined }]);
    expect(simulated.ends.acknowledged).toBe(1);
  });

  test.for([
    { name: 'DNS servers and load balancers', dns: 1, lb: 1 },
    { name: 'DNS servers alone', dns: 1, lb: NOBODY },
    { name: 'load balancers alone', dns: NOBODY, lb: 1 },
    { name: 'those of whom nothing is known yet', dns: -1, lb: -1 },
  ])('until it is acknowledged by $name', ({ dns, lb }) => {
    const simulated = removals({}, WEB);
    simulated.acknowledge({ dns, lb });
    simulated.have();
    for (const layer of ['dns', 'lb'] as const) {
      if (simulated.acknowledged[layer] === NOBODY) continue;
      expect(simulated.entries).toEqual([WEB_ENTRY]);
      simulated.acknowledge({ [layer]: 2 });
    }
    expect(simulated.entries).toEqual([]);
    expect(simulated.ends).toMatchObject({ acknowledged: 1, 'time-limit': 0 });
  });

  test('until the limit for somebody who never acknowledges', () => {
    const simulated = removals({}, WEB);
    simulated.have();
    expect(simulated.nextDeadlineMs).toBe(30_000);
    simulated.advance(29_999);
    expect(simulated.entries).toEqual([WEB_ENTRY]);
    simulated.advance(1);
    expect(simulated.entries).toEqual([]);
    expect(simulated.ends['time-limit']).toBe(1);
    expect(simulated.nextDeadlineMs).toBeUndefined();
  });

  test('for as long as answers are cached, also beyond the limit', () => {
    const simulated = removals({ ttlMs: 60_000 }, WEB);
    simulated.have();
    simulated.advance(29_000);
    simulated.acknowledge({ dns: 2, lb: 2 });
    simulated.advance(59_999);
    expect(simulated.entries).toEqual([WEB_ENTRY]);
    simulated.advance(1);
    expect(simulated.entries).toEqual([]);
    expect(simulated.ends.acknowledged).toBe(1);
  });

  test('not for caches where there are no DNS servers', () => {
    const simulated = removals({ ttlMs: 60_000 }, WEB);
    simulated.acknowledge({ dns: NOBODY });
    simulated.have();
    simulated.acknowledge({ lb: 2 });
    expect(simulated.entries).toEqual([]);
  });

  test('for nobody who comes after everybody has acknowledged', () => {
    const simulated = removals({ ttlMs: 5_000 }, WEB);
    simulated.have();
    simulated.acknowledge({ dns: 2, lb: 2 });
    simulated.acknowledge({ dns: 0 });
    simulated.advance(5_000);
    expect(simulated.entries).toEqual([]);
  });

  test('until its Service has it again', () => {
    const simulated = removals({}, WEB);
    simulated.have();
    simulated.have(WEB);
    expect(simulated.programmed).toEqual([WEB]);
    expect(simulated.ends.taken).toBe(1);
  });

  test('less what another Service takes', () => {
    const simulated = removals({}, EXTERNAL);
    simulated.have();
    simulated.have(aPlan({ name: 'other' }));
    expect(simulated.entries).toEqual([EXTERNAL_ENTRY]);
  });

  test('each departure by its own revision', () => {
    const simulated = removals({}, EXTERNAL);
    simulated.have(WEB);
    simulated.have();
    simulated.acknowledge({ dns: 2, lb: 2 });
    expect(simulated.entries).toEqual([WEB_ENTRY]);
  });

  test('unless ten thousand others came later', () => {
    const many = Array.from({ length: 10_001 }, (_, index) =>
      aPlan({ name: `web-${index}`, clusterIPs: [`10.96.${index >> 8}.${index & 255}`] }),
    );
    const simulated = removals({}, ...many);
    simulated.have();
    expect(simulated.size).toBe(10_000);
    expect(simulated.ends['no-room']).toBe(1);
    expect(simulated.entries).not.toContain('10.96.0.0 tcp port 80');
  });
});
