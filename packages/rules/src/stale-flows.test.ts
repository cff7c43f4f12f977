import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../test/packets/a-plan.ts';
import { StaleFlows } from './stale-flows.ts';

const ONE = anEndpoint({ address: '10.244.1.1' });
const TWO = anEndpoint({ address: '10.244.1.2' });

function dns(endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}): ProxyPlan {
  return aPlan({ ports: [aPort({ protocol: 'UDP', port: 53, endpoints })], ...parts });
}

/** Addresses whose flows are stale after each plan in turn; a plan that is undefined is a service that is gone. */
function story(...plans: (ProxyPlan | undefined)[]): string[][] {
  const flows = new StaleFlows();
  let before: ProxyPlan | undefined;
  return plans.map((plan) => {
    const stale = flows.change(before, plan);
    before = plan;
    return stale.map(({ address }) => address);
  });
}

test.for<{ name: string; plans: (ProxyPlan | undefined)[]; stale: string[][] }>([
  {
    name: 'the first endpoint takes over flows that began without any',
    plans: [dns([]), dns([ONE])],
    stale: [[], ['10.96.0.10']],
  },
  { name: 'an endpoint that is added takes none', plans: [dns([ONE]), dns([ONE, TWO])], stale: [['10.96.0.10'], []] },
  {
    name: 'an endpoint that is removed loses its flows',
    plans: [dns([ONE, TWO]), dns([TWO])],
    stale: [['10.96.0.10'], ['10.244.1.1']],
  },
  {
    name: 'an endpoint that terminates keeps them while it serves',
    plans: [dns([ONE, TWO]), dns([{ ...ONE, ready: false, terminating: true }, TWO])],
    stale: [['10.96.0.10'], []],
  },
  {
    name: 'the last endpoint keeps them until there is another one',
    plans: [dns([ONE]), dns([]), dns([TWO])],
    stale: [['10.96.0.10'], [], ['10.244.1.1', '10.96.0.10']],
  },
  {
    name: 'a service that is gone keeps them until it is back elsewhere',
    plans: [dns([ONE]), undefined, dns([TWO])],
    stale: [['10.96.0.10'], [], ['10.244.1.1', '10.96.0.10']],
  },
  {
    name: 'TCP notices by itself',
    plans: [aPlan(), aPlan({ ports: [aPort({ endpoints: [TWO] })] })],
    stale: [[], []],
  },
])('$name', ({ plans, stale }) => {
  expect(story(...plans)).toEqual(stale);
});

test('a report says where the flows came in', () => {
  const parts = { externalIPs: ['203.0.113.1', 'fd00::1'] };
  const flows = new StaleFlows();
  const before = dns([ONE, TWO], parts);
  flows.change(undefined, before);
  const [port = aPort()] = dns([TWO]).ports;
  expect(flows.change(before, aPlan({ ...parts, ports: [{ ...port, nodePort: 30_053 }] }))).toEqual([
    {
      protocol: 'udp',
      family: 'IPv4',
      serviceAddresses: ['10.96.0.10', '203.0.113.1'],
      servicePort: 53,
      nodePort: 30_053,
      address: '10.244.1.1',
      port: 8080,
    },
  ]);
});
