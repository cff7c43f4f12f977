/**
 * Several processes on one socket. The tests' own process is the main one: while it waits for a program to end, only the
 * others can answer, and of those only the ones that no signal has stopped.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ackSubject, type DnsRecord, type DnsServerAck } from '@signalbox/contracts';
import type { DnsServerOptions } from '@signalbox/dns-server';
import { expect, test } from 'vitest';
import { ROOT } from '../harness/signalbox.ts';
import { type DigAnswer, dig } from './dig.ts';
import { type DnsLab, documentEntry, startDnsLab, waitFor, watermarkEntry } from './dns-harness.ts';

/** Processes are started from what is built. */
const BUILT = join(ROOT, 'services/dns-server/dist/index.js');
const SHOP = { shop: { domain: 'cluster.local' } };
const WEB = 'web.a.svc.cluster.local';

test.for(['batch', 'dgram'] as const)('each of them answers, with %s', async (udpReceiver) => {
  await using lab = await aLab(3, { udpReceiver });
  await serve(lab, 1, '10.96.0.1');
  const pids = await others(lab, 2);
  for (const pid of pids) {
    const rest = pids.filter((other) => other !== pid);
    await untilAnswering(() => stopped(rest, () => askOthers(lab)), '10.96.0.1');
  }
});

test('nothing is acknowledged before all of them answer so', async () => {
  await using lab = await aLab(3);
  await serve(lab, 1, '10.96.0.1');
  await waitFor(async () => (await acknowledged(lab)) === 1, 'the first revision');
  const [slow = 0, quick = 0] = await others(lab, 2);
  await untilAnswering(() => stopped([slow], () => askOthers(lab)), '10.96.0.1');
  await untilAnswering(() => stopped([quick], () => askOthers(lab)), '10.96.0.1');
  process.kill(slow, 'SIGSTOP');
  await serve(lab, 2, '10.96.0.2');
  await untilAnswering(() => askOthers(lab), '10.96.0.2');
  expect(await acknowledged(lab)).toBe(1);
  process.kill(slow, 'SIGCONT');
  await waitFor(async () => (await acknowledged(lab)) === 2, 'the second revision');
  for (const pid of [slow, quick]) expect(stopped([pid], () => askOthers(lab))).toBe('10.96.0.2');
});

test('one that is killed is replaced, and clients that ask again do not notice', { timeout: 60_000 }, async () => {
  await using lab = await aLab(3);
  await serve(lab, 1, '10.96.0.1');
  const before = await others(lab, 2);
  const questions = Array.from({ length: 1500 }, () => ({ name: WEB, type: 'A' }));
  const asking = dig(lab.port, questions, ['+tries=5', '+time=1']);
  for (const pid of before) process.kill(pid, 'SIGKILL');
  const statuses = new Set((await asking).map(({ status }) => status));
  expect(statuses).toEqual(new Set(['NOERROR']));
  await waitFor(() => pidsOfOthers().length === 2, 'two others');
  expect(pidsOfOthers().filter((pid) => before.includes(pid))).toEqual([]);
  await untilAnswering(() => askOthers(lab), '10.96.0.1');
});

test('answers are those of one process', { timeout: 60_000 }, async () => {
  const names = [WEB, WEB.toUpperCase(), 'nosuch.a.svc.cluster.local', 'a.svc.cluster.local', 'example.com', '.'];
  const questions = names.flatMap((name) => ['A', 'AAAA', 'SOA', 'TXT', 'IXFR=0'].map((type) => ({ name, type })));
  const options = [[], ['+noedns'], ['+dnssec'], ['+edns=1'], ['+opcode=notify'], ['-c', 'CH']];
  // One after the other: several digs at once may take the same source port, and one of them another's answer.
  const answersOf = async (lab: DnsLab) => {
    const answers: DigAnswer[][] = [];
    for (const more of options) answers.push(await dig(lab.port, questions, ['+notcp', ...more]));
    return answers;
  };
  await using alone = await aLab(1);
  await using together = await aLab(3);
  const unsynced = await answersOf(alone);
  expect(new Set(unsynced.flat().map(({ status }) => status))).toContain('SERVFAIL');
  expect(await answersOf(together)).toEqual(unsynced);
  for (const lab of [alone, together]) {
    await serve(lab, 1, '10.96.0.1');
    await waitFor(async () => (await acknowledged(lab)) === 1, 'the first revision');
  }
  await others(together, 2);
  const expected = await answersOf(alone);
  for (let round = 0; round < 3; round += 1) expect(await answersOf(together)).toEqual(expected);
});

test('what they answered is counted, and a stop ends them', async () => {
  const lab = await aLab(3);
  await serve(lab, 1, '10.96.0.1');
  await others(lab, 2);
  const before = await counted(lab);
  await untilAnswering(() => askOthers(lab), '10.96.0.1');
  await waitFor(async () => (await counted(lab)) > before, 'the count');
  await lab[Symbol.asyncDispose]();
  expect(pidsOfOthers()).toEqual([]);
});

async function aLab(processes: number, options: Partial<DnsServerOptions> = {}): Promise<DnsLab> {
  const { startDnsServer } = (await import(BUILT)) as typeof import('@signalbox/dns-server');
  return await startDnsLab({ ...options, processes, ackIntervalMs: 10 }, undefined, startDnsServer);
}

/** What is to be served, some time later. */
async function serve(lab: DnsLab, revision: number, address: string): Promise<void> {
  const records: DnsRecord[] = [{ type: 'A', name: `${WEB}.`, ttlSeconds: 30, address }];
  const recordSet = { cluster: 'shop', namespace: 'a', name: 'web', records };
  await lab.log.appendAll('derived', [documentEntry(recordSet), watermarkEntry(revision, SHOP)]);
}

/** Once they have been fed. */
async function others(lab: DnsLab, count: number): Promise<number[]> {
  await waitFor(() => pidsOfOthers().length === count, `${count} others`);
  await waitFor(async () => (await acknowledged(lab)) > 0, 'an acknowledgement');
  return pidsOfOthers();
}

function pidsOfOthers(): number[] {
  const children = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return children.filter((pid) => commandOf(pid).includes('answer-process.js')).map(Number);
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function stopped<Value>(pids: readonly number[], body: () => Value): Value {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    return body();
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

/** What the others answer, while this process cannot; empty when nobody does. */
function askOthers({ port }: DnsLab): string {
  const args = ['+short', '+tries=1', '+time=1', '@127.0.0.1', '-p', `${port}`, WEB, 'A'];
  const { stdout } = spawnSync('dig', args, { encoding: 'utf8' });
  return /^[\d.]+$/m.exec(stdout)?.[0] ?? '';
}

async function untilAnswering(ask: () => string, expected: string): Promise<void> {
  await waitFor(() => ask() === expected, `the answer ${expected}`);
}

async function acknowledged({ log, port }: DnsLab): Promise<number> {
  const subject = ackSubject({ layer: 'dns', cluster: 'shop', consumer: `${hostname()}/127.0.0.1:${port}` });
  const message = await log.last('status', subject);
  return message?.data ? (JSON.parse(message.data) as DnsServerAck).revision : 0;
}

async function counted({ registry }: DnsLab): Promise<number> {
  const metric = await registry.getSingleMetric('signalbox_dns_requests_total')?.get();
  return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
}
