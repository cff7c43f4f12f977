import { isSignalboxError, type SignalboxError } from '@signalbox/contracts';
import { type EventLog, type LogMessage, openSqliteEventLog } from '@signalbox/event-log';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../test/harness/cluster-changes.ts';
import { entry, Tail, tombstone } from '../../../test/harness/event-log-tail.ts';
import { lossyLog } from '../../../test/harness/lossy-log.ts';
import { SoleWriter } from './sole-writer.ts';

const logs: EventLog[] = [];

afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  logs.push(log);
  return log;
}

const RETRYING = { signal: new AbortController().signal, onFailure: () => {} };

test('whatever is lost or late, no value goes back, and the last one stays', async () => {
  const steps = fc.array(fc.uniqueArray(fc.nat(3), { minLength: 1 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.integer(), steps, fc.constantFrom('absent', 'ask'), async (seed, written, unknown) => {
      const log = openLog();
      const lossy = lossyLog(log, seededRandom(seed));
      const writer = new SoleWriter({ log: lossy, stream: 'objects', unknown });
      const tail = new Tail(log, { from: 'snapshot' });
      const wanted = new Map<string, number | null>();
      for (const [step, names] of written.entries()) {
        // Every fourth value is that there is none.
        const values = names.map((name) => [`s${name}`, step % 4 === 3 ? null : step] as const);
        for (const [name, value] of values) wanted.set(name, value);
        await untilStored(() => writer.append(values.map(([name, value]) => entry(name, value))));
      }
      lossy.calm();
      for (const [name, value] of wanted) {
        const last = await log.last('objects', `objects.${name}`);
        expect(last?.data ?? null).toBe(value === null ? null : String(value));
      }
      await tail.reached((await log.info('objects')).lastSequence);
      for (const values of valuesBySubject(tail)) expect(values).toEqual([...values].sort((a, b) => a - b));
      await tail.stop();
    }),
    { numRuns: 150 },
  );
});

async function untilStored(append: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await append();
    } catch (error) {
      if (!isSignalboxError(error, 'unavailable')) throw error;
    }
  }
}

function valuesBySubject({ messages }: Tail): number[][] {
  const values = new Map<string, number[]>();
  for (const { subject, data } of messages) {
    if (data !== null) values.set(subject, [...(values.get(subject) ?? []), Number(data)]);
  }
  return [...values.values()];
}

describe('what the log holds already', () => {
  test('is gone on from by one who has read it', async () => {
    const log = openLog();
    const sequence = await log.append('objects', entry('a', 1));
    const writer = new SoleWriter({ log, stream: 'objects', unknown: 'absent' });
    writer.note({ ...entry('a', 1), sequence });
    await writer.append([entry('a', 2), entry('b', 1)]);
    expect((await log.last('objects', 'objects.a'))?.data).toBe('2');
  });

  test('is not written again by one who asks for it', async () => {
    const log = openLog();
    const sequence = await log.append('objects', entry('a', 1));
    await new SoleWriter({ log, stream: 'objects', unknown: 'ask' }).append([entry('a', 1), tombstone('b')]);
    expect((await log.info('objects')).lastSequence).toBe(sequence);
  });

  test('may have lost its tombstones', async () => {
    const log = openLog();
    const writer = new SoleWriter({ log, stream: 'objects', unknown: 'absent' });
    await writer.append([entry('a', 1)]);
    await writer.append([tombstone('a')]);
    expect(await log.compact('objects', { storedBeforeMs: Date.now() + 1 })).toBe(1);
    await writer.append([entry('a', 2)]);
    expect((await log.last('objects', 'objects.a'))?.data).toBe('2');
  });
});

test('what somebody else wrote meanwhile is not written over', async () => {
  const log = openLog();
  const isOwn = ({ headers }: Pick<LogMessage, 'headers'>): boolean => headers?.writer === 'me';
  const writer = new SoleWriter({ log, stream: 'objects', unknown: 'absent', isOwn });
  await writer.append([{ ...entry('a', 1), headers: { writer: 'me' } }]);
  await log.append('objects', { ...entry('a', 2), headers: { writer: 'another' } });
  const error = await writer.appendRetrying([entry('a', 3)], RETRYING).catch((reason: SignalboxError) => reason);
  expect(isSignalboxError(error, 'conflict') && error.message).toMatch(/objects\.a was written by somebody else/);
  expect((await log.last('objects', 'objects.a'))?.data).toBe('2');
});

test('a full log stops its writer until there is room', async () => {
  const log = openSqliteEventLog({ path: ':memory:', maxBytes: 2000 });
  logs.push(log);
  const [full, small] = [entry('a', 'x'.repeat(1500)), entry('b', 'y'.repeat(1000))];
  await log.append('objects', full);
  const writer = new SoleWriter({ log, stream: 'objects', unknown: 'absent' });
  const failures: string[] = [];
  const making = (text: string): void => {
    failures.push(text);
    if (failures.length === 2) void log.append('objects', entry('a', 'short'));
  };
  await writer.appendRetrying([small], { ...RETRYING, onFailure: (_, text) => making(text) });
  expect(failures).toHaveLength(2);
  expect(failures[0]).toMatch(/full/);
  expect((await log.last('objects', 'objects.b'))?.data).toBe(small.data);
});
