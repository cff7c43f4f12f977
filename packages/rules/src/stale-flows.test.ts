import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../test/packets/a-plan.ts';
import { mayHaveStaleFlows, staleFlows } from './stale-flows.ts';

const ONE = anEndpoint({ address: '10.244.1.1' });
const TWO = anEndpoint({ address: '10.244.1.2' });
const DRAINING = { ...ONE, ready: false, terminating: true };
const GONE = { ...DRAINING, serving: false };

function dns(endpoints: PlanEndpoint[], parts: Partial<ProxyPlan> = {}, nodePort?: number): ProxyPlan {
  const port = aPort({ protocol: 'UDP', port: 53, endpoints, ...(nodePort === undefined ? {} : { nodePort }) });
  return aPlan({ ports: [port], ...parts });
}

describe('flows are looked at', () => {
  test.for<{ name: string; before: ProxyPlan | undefined; after: ProxyPlan; expected: boolean }>([
    {
      name: 'when a service is new: they may have come before it',
      before: undefined,
      after: dns([ONE]),
      expected: true,
    },
    { name: 'when an endpoint is gone', before: dns([ONE, TWO]), after: dns([TWO]), expected: true },
    { name: 'when an endpoint serves no more', before: dns([ONE, TWO]), after: dns([GONE, TWO]), expected: true },
    { name: 'when it is the first endpoint', before: dns([]), after: dns([ONE]), expected: true },
    {
      name: 'when an address is new',
      before: dns([ONE]),
      after: dns([ONE], { externalIPs: ['192.0.2.1'] }),
      expected: true,
    },
    { name: 'when a node port is new', before: dns([ONE]), after: dns([ONE], {}, 30_053), expected: true },
    { name: 'not for an endpoint that is added', before: dns([ONE]), after: dns([ONE, TWO]), expected: false },
    {
      name: 'not for one that terminates and serves',
      before: dns([ONE, TWO]),
      after: dns([DRAINING, TWO]),
      expected: false,
    },
    { name: 'not for TCP', before: aPlan(), after: aPlan({ ports: [aPort({ endpoints: [TWO] })] }), expected: false },
  ])('$name', ({ before, after, expected }) => {
    expect(mayHaveStaleFlows(before, after)).toBe(expected);
  });
});

/** As `conntrack` lists a flow of a client to `to` that is answered from `from`. */
function flow(to: string, from: string, mark = ' [ASSURED]'): string {
  const [[dst, dport], [src, sport]] = [to.split(' '), from.split(' ')];
  return `udp      17 29 src=10.0.0.9 dst=${dst} sport=4000 dport=${dport} src=${src} dst=10.0.0.9 sport=${sport} dport=4000${mark} mark=0 use=1\n`;
}

const NODE = { family: 'IPv4', nodeAddresses: ['10.240.0.1'] } as const;

describe('a flow is stale', () => {
  test.for<{ name: string; plan: ProxyPlan; listed: string; stale: boolean }>([
    {
      name: 'that leads to an endpoint that is gone',
      plan: dns([TWO]),
      listed: flow('10.96.0.10 53', '10.244.1.1 8080'),
      stale: true,
    },
    {
      name: 'that leads to another port of an endpoint',
      plan: dns([ONE]),
      listed: flow('10.96.0.10 53', '10.244.1.1 53'),
      stale: true,
    },
    { name: 'that was not translated', plan: dns([ONE]), listed: flow('10.96.0.10 53', '10.96.0.10 53'), stale: true },
    {
      name: 'that was never answered',
      plan: dns([TWO]),
      listed:
        'udp      17 9 src=10.0.0.9 dst=10.96.0.10 sport=4000 dport=53 [UNREPLIED] src=10.244.1.1 dst=10.0.0.9 sport=8080 dport=4000 mark=0 use=1\n',
      stale: true,
    },
    {
      name: 'at a node port',
      plan: dns([TWO], {}, 30_053),
      listed: flow('10.240.0.1 30053', '10.244.1.1 8080'),
      stale: true,
    },
    {
      name: 'at a node port, untranslated',
      plan: dns([TWO], {}, 30_053),
      listed: flow('10.240.0.1 30053', '10.240.0.1 30053'),
      stale: true,
    },
    {
      name: 'unless it is to that port of another machine',
      plan: dns([TWO], {}, 30_053),
      listed: flow('192.0.2.9 30053', '192.0.2.9 30053'),
      stale: false,
    },
    {
      name: 'unless its endpoint serves',
      plan: dns([ONE, TWO]),
      listed: flow('10.96.0.10 53', '10.244.1.1 8080'),
      stale: false,
    },
    {
      name: 'unless its endpoint still serves while it terminates',
      plan: dns([DRAINING, TWO]),
      listed: flow('10.96.0.10 53', '10.244.1.1 8080'),
      stale: false,
    },
    {
      name: 'unless there is no endpoint to go to',
      plan: dns([GONE]),
      listed: flow('10.96.0.10 53', '10.244.1.1 8080'),
      stale: false,
    },
    {
      name: 'unless it is to another port',
      plan: dns([TWO]),
      listed: flow('10.96.0.10 54', '10.244.1.1 8080'),
      stale: false,
    },
  ])('$name', ({ plan, listed, stale }) => {
    expect(staleFlows(listed, [plan], NODE)).toHaveLength(stale ? 1 : 0);
  });

  test('and told once, however many clients have it', () => {
    const listed = flow('10.96.0.10 53', '10.244.1.1 8080').repeat(3);
    expect(staleFlows(listed, [dns([TWO])], NODE)).toEqual([
      { family: 'IPv4', address: '10.96.0.10', port: 53, endpointAddress: '10.244.1.1', endpointPort: 8080 },
    ]);
  });
});
