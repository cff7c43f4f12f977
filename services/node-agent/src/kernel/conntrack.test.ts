import type { ProxyPlan } from '@signalbox/contracts';
import { createLogger } from '@signalbox/kit';
import { beforeEach, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { Conntrack } from './conntrack.ts';
import type { ProgramCall } from './run-program.ts';

const DNS: ProxyPlan = aPlan({ ports: [aPort({ protocol: 'UDP', port: 53, endpoints: [anEndpoint()] })] });
const OPTIONS = {
  backend: 'nftables',
  families: ['IPv4'],
  clusterCIDRs: [],
  node: { name: 'n1', addresses: [] },
} as const;
const LISTING = ['10.244.9.1', '10.244.9.2', '10.244.1.1']
  .map((from) => `udp 17 29 src=10.0.0.9 dst=10.96.0.10 sport=9 dport=53 src=${from} dst=10.0.0.9 sport=8080 dport=9\n`)
  .join('');
const DELETIONS = ['10.244.9.1', '10.244.9.2'].map(
  (from) => `-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src ${from} --reply-port-src 8080`,
);

let calls: string[];
beforeEach(() => {
  calls = [];
});

/** A program that fails at what `complaints` say, by its first argument. */
function conntrack(complaints: Readonly<Record<string, string>> = {}): Conntrack {
  const run = async ({ args, input = '' }: ProgramCall): Promise<string> => {
    calls.push([...args, input].join(' ').trim());
    const complaint = complaints[args[0] ?? ''];
    if (complaint !== undefined) throw new Error(complaint);
    return args[0] === '-L' ? LISTING : '';
  };
  return new Conntrack(run, createLogger({ component: 'test', level: 'silent' }));
}

async function deleteWith(tracked: Conntrack): Promise<void> {
  tracked.deleteStaleFlows([DNS], OPTIONS);
  await tracked.settle();
}

test('what comes meanwhile is looked at next, all of it together', async () => {
  const tracked = conntrack();
  for (const name of ['one', 'two', 'three']) tracked.deleteStaleFlows([{ ...DNS, name }], OPTIONS);
  await tracked.settle();
  expect(calls.filter((call) => call.startsWith('-L'))).toHaveLength(2);
});

test('the flows of a family are read once, and the stale ones deleted by one process', async () => {
  await deleteWith(conntrack());
  expect(calls).toEqual(['-L -p udp -f ipv4', `-R - ${DELETIONS.join('\n')}`]);
});

test('an old conntrack that cannot read a file is asked one by one; flows that have ended are no failure', async () => {
  const complaints = { '-R': 'unknown option', '-D': 'conntrack v1.4.6: 0 flow entries have been deleted.' };
  await deleteWith(conntrack(complaints));
  expect(calls.slice(2)).toEqual(DELETIONS);
});

test('a conntrack that is not there stops nothing', async () => {
  await deleteWith(conntrack({ '-L': 'spawn conntrack ENOENT' }));
  expect(calls).toHaveLength(1);
});
