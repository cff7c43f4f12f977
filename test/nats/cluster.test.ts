/** The event log on three real servers: what happens when the one that leads dies in the middle. */

import { spawnSync } from 'node:child_process';
import {
  type JetStreamEventLog,
  type JetStreamEventLogOptions,
  type LogMessage,
  openJetStreamEventLog,
} from '@signalbox/event-log';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { pick } from '../harness/cluster-changes.ts';
import { entry, Tail, waitFor } from '../harness/event-log-tail.ts';
import { type NatsCluster, startNatsCluster } from '../harness/nats-cluster.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { openJetStreamPatiently } from '../harness/open-jetstream.ts';

const missing = natsServerMissing();
const MIB = 1024 ** 2;
const SUBJECTS = 200;

describe.skipIf(missing !== undefined)(`a cluster of three${missing === undefined ? '' : ` (${missing})`}`, () => {
  let cluster: NatsCluster;
  let prefixes = 0;
  const opened: JetStreamEventLog[] = [];

  beforeAll(async () => {
    cluster = await startNatsCluster();
  });
  afterAll(() => cluster?.stop());
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });

  function newPrefix(): string {
    prefixes += 1;
    return `c${prefixes}`;
  }

  function settings(options: Partial<JetStreamEventLogOptions>): JetStreamEventLogOptions {
    return { servers: cluster.servers, name: 'test', replicas: 3, maxBytes: 64 * MIB, prefix: newPrefix(), ...options };
  }

  async function open(options: Partial<JetStreamEventLogOptions>): Promise<JetStreamEventLog> {
    const log = await openJetStreamPatiently(settings(options));
    opened.push(log);
    return log;
  }

  test('a release whose copies may differ is told of, and no other', async () => {
    const { stdout } = spawnSync('nats-server', ['--version'], { encoding: 'utf8' });
    expect(stdout).toMatch(/v\d+\.\d+\./);
    const { caution } = await open({});
    if (/v2\.9\./.test(stdout)) expect(caution).toMatch(/may keep different copies/);
    else expect(caution).toBeUndefined();
  });

  test('the leader is killed while appending and following: nothing is lost, the order is kept', async () => {
    const prefix = newPrefix();
    const [writer, reader] = [await open({ prefix, appendTimeoutMs: 60_000 }), await open({ prefix })];
    const tail = await new Tail(reader, { from: 'snapshot' }).caughtUp();
    const lists = Array.from({ length: 60 }, (_, k) =>
      Array.from({ length: SUBJECTS }, (_, i) => entry(`s${i}`, k * SUBJECTS + i)),
    );
    const leader = await cluster.leaderOf(`${prefix}-objects`);
    const acknowledged: number[] = [];
    const appending = (async () => {
      for (const list of lists) acknowledged.push(...(await writer.appendAll('objects', list)));
    })();
    await waitFor('the first ones to be stored', () => acknowledged.length > SUBJECTS * 5);
    await leader.kill();
    await appending;
    await leader.restart();
    await tail.reached(acknowledged.at(-1) ?? 0);
    expect(acknowledged).toEqual([...new Set(acknowledged)].sort((a, b) => a - b));
    const expected = Array.from({ length: SUBJECTS }, (_, i) => [`objects.s${i}`, String(59 * SUBJECTS + i)] as const);
    expect(Object.fromEntries(tail.values)).toEqual(Object.fromEntries(expected));
    for (const values of valuesBySubject(tail)) expect(values).toEqual([...values].sort((a, b) => a - b));
    await tail.stop();
  });

  test('the leader is killed while a durable consumer is at work: each message comes, at least once', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix });
    const names = Array.from({ length: 500 }, (_, i) => `s${i}`);
    await log.appendAll(
      'objects',
      names.map((name) => entry(name)),
    );
    const seen = new Set<string>();
    const abort = new AbortController();
    const options = { durable: 'w', maxBatch: 20, maxInFlight: 50, ackWaitMs: 2000, signal: abort.signal };
    const leader = await cluster.leaderOf(`${prefix}-objects`);
    let killing: Promise<void> | undefined;
    for await (const delivery of log.consume('objects', options)) {
      for (const { subject } of delivery.messages) seen.add(subject);
      await delivery.ack();
      if (seen.size >= 100) killing ??= leader.kill();
      if (seen.size === names.length) abort.abort();
    }
    await killing;
    await leader.restart();
    expect(seen.size).toBe(names.length);
  });

  test('an append with an expected sequence never happens twice, whoever leads', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix });
    let sequence = await log.append('objects', entry('a', 0));
    const leader = await cluster.leaderOf(`${prefix}-objects`);
    const stored = [0];
    for (let i = 1; i <= 60; i += 1) {
      if (i === 20) await leader.kill();
      const before = sequence;
      sequence = await log.append('objects', { ...entry('a', i), expectedSequence: before }).catch(() => before);
      if (sequence > before) {
        stored.push(i);
        continue;
      }
      // It may have been stored all the same: what is there says so.
      const last = await lastOf(log, 'objects.a');
      if (last.sequence > before) stored.push(Number(last.data));
      sequence = last.sequence;
    }
    await leader.restart();
    expect(stored).toEqual([...new Set(stored)].sort((a, b) => a - b));
    const last = await log.last('objects', 'objects.a');
    expect([Number(last?.data), last?.sequence]).toEqual([stored.at(-1), sequence]);
  });

  test('services that start at once make one log, and it stays the same whoever leads', async () => {
    for (let round = 0; round < 4; round += 1) {
      const prefix = newPrefix();
      const logs = await Promise.all(Array.from({ length: 6 }, () => open({ prefix })));
      // Of several that make one stream, each server may keep another one's time, and tells it when it leads.
      for (const _ of cluster.nodes) {
        await cluster.stepDown(`${prefix}-objects`);
        logs.push(await open({ prefix }));
        await (await new Tail(pick(Math.random, logs), { from: 'snapshot' }).caughtUp()).stop();
      }
      expect(new Set(logs.map(({ id }) => id)).size).toBe(1);
    }
  });

  test('replicas, bytes and the duplicate window are settings: changed when named, left alone when not', async () => {
    const prefix = newPrefix();
    await open({ prefix, replicas: 1 });
    await open({ prefix, replicas: 3, maxBytes: 32 * MIB, duplicateWindowMs: 30_000, discard: 'old' });
    expect(await cluster.configOf(`${prefix}-derived`)).toMatchObject({
      num_replicas: 3,
      max_bytes: 32 * MIB,
      duplicate_window: 30e9,
      discard: 'old',
    });
    const settled = { servers: cluster.servers, name: 'test', prefix };
    opened.push(await openJetStreamEventLog(settled));
    opened.push(await openJetStreamEventLog({ ...settled, discard: 'new', managesStreams: false }));
    expect(await cluster.configOf(`${prefix}-derived`)).toMatchObject({ num_replicas: 3, discard: 'old' });
  });

  test('what cannot be had is refused with what to do', async () => {
    const refused = (options: Partial<JetStreamEventLogOptions>) => openJetStreamEventLog(settings(options));
    const single = await startNatsServer();
    try {
      await expect(refused({ servers: single.url, replicas: 3 })).rejects.toThrow(/no cluster: ask for 1 replica/);
      await expect(refused({ servers: single.url, replicas: 1, managesStreams: false })).rejects.toThrow(
        /not there yet/,
      );
      await expect(refused({ servers: single.url, replicas: 1, maxBytes: 2 ** 52 })).rejects.toThrow(/max_file_store/);
    } finally {
      await single.stop();
    }
    const plain = await startNatsServer({ hasJetStream: false });
    try {
      await expect(refused({ servers: plain.url, replicas: 1 })).rejects.toThrow(/start nats-server with JetStream/);
    } finally {
      await plain.stop();
    }
  });
});

/** Once somebody can say so. */
async function lastOf(log: JetStreamEventLog, subject: string): Promise<LogMessage> {
  let last: LogMessage | undefined;
  await waitFor(`the last message of ${subject}`, async () => {
    last = await log.last('objects', subject).catch(() => undefined);
    return last !== undefined;
  });
  if (last === undefined) throw new Error(`${subject} is gone`);
  return last;
}

function valuesBySubject(tail: Tail): number[][] {
  const values = new Map<string, number[]>();
  for (const { subject, data } of tail.messages) values.set(subject, [...(values.get(subject) ?? []), Number(data)]);
  return [...values.values()];
}
