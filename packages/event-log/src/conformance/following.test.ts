import { afterEach, describe, expect, test, vi } from 'vitest';
import { brief, entry, Tail, tombstone, waitFor } from '../../../../test/harness/event-log-tail.ts';
import { describeEachLog } from '../../../../test/harness/event-logs.ts';
import type { EventLog } from '../event-log.ts';

afterEach(() => {
  vi.useRealTimers();
});

describeEachLog((adapter) => {
  describe('follow from a snapshot', () => {
    test('gives the last message of each subject, tombstones included, then what comes', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a', 1), entry('b', 1), entry('c', 1), entry('a', 2), tombstone('b')]);
      const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
      expect(brief(tail.messages)).toEqual([
        ['c', 1],
        ['a', 2],
        ['b', null],
      ]);
      expect(tail.sequence).toBe(5);
      await log.append('objects', entry('d', 1));
      await tail.reached(6);
      await log.append('objects', entry('a', 3));
      await tail.reached(7);
      expect(brief(tail.messages.slice(3))).toEqual([
        ['d', 1],
        ['a', 3],
      ]);
      expect(await tail.stop()).toBeUndefined();
    });

    test('of an empty stream is caught up at once, with an empty batch, and follows', async () => {
      const { log } = await adapter.open();
      const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
      expect(tail.batches).toEqual([{ messages: [], sequence: 0, isCaughtUp: true }]);
      await log.append('objects', entry('a'));
      await tail.reached(1);
      expect(tail.batches).toHaveLength(2);
      await tail.stop();
    });

    test('with a filter that matches nothing is caught up at once, at the end of the stream', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a'), entry('b'), entry('a')]);
      const tail = await new Tail(log, { from: 'snapshot', filter: 'objects.x.>' }).caughtUp();
      expect(tail.batches).toEqual([{ messages: [], sequence: 3, isCaughtUp: true }]);
      await log.append('objects', entry('x.y'));
      await tail.reached(4);
      await tail.stop();
    });

    test('is caught up exactly when the last message of the beginning has come, in batches of the size asked', async () => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        Array.from({ length: 25 }, (_, i) => entry(`s${i}`)),
      );
      const sizes: number[] = [];
      const seen: boolean[] = [];
      for await (const batch of log.follow('objects', { from: 'snapshot', maxBatch: 10 })) {
        sizes.push(batch.messages.length);
        seen.push(batch.isCaughtUp);
        if (batch.isCaughtUp) break;
      }
      expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(25);
      expect(seen.filter(Boolean)).toHaveLength(1);
    });

    test('is caught up while appends keep coming, and loses none of them', async () => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        Array.from({ length: 3000 }, (_, i) => entry(`s${i}`, 0)),
      );
      const stop = new AbortController();
      let last = 0;
      const writing = (async () => {
        for (let i = 0; !stop.signal.aborted; i += 1) last = await log.append('objects', entry(`s${i % 3000}`, 1));
      })();
      const tail = await new Tail(log, { from: 'snapshot', maxBatch: 100 }).caughtUp();
      stop.abort();
      await writing;
      await tail.reached(last);
      const sequences = tail.messages.map(({ sequence }) => sequence);
      expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      expect(tail.values.size).toBe(3000);
      await tail.stop();
    });

    test('is caught up only with what the stream was, however slow the reader is', async () => {
      const { log } = await adapter.open();
      const marks = new MarkedWrites(log);
      await marks.write(10);
      const values = new Map<string, number>();
      const followed = log.follow('objects', { from: 'snapshot', maxBatch: 2 })[Symbol.asyncIterator]();
      for (let isDone = false; !isDone; ) {
        await marks.write(Math.min(7, 120 - marks.written));
        const { value: batch } = await followed.next();
        for (const [name, value] of brief(batch?.messages ?? [])) values.set(name, Number(value));
        if (batch?.isCaughtUp !== true) continue;
        marks.expectCovered(values);
        isDone = values.get('mark') === 120;
      }
      await followed.return?.();
    });

    test('is caught up, with all that there was, for a reader that never comes to the end', async () => {
      const { log } = await adapter.open();
      const [subjects, maxBatch] = [1200, 100];
      let written = 0;
      const write = async (count: number): Promise<void> => {
        const next = Array.from({ length: count }, (_, i) => entry(`s${(written + i) % subjects}`, written + i));
        written += count;
        await log.appendAll('objects', next);
      };
      await write(subjects);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
      const values = new Map<string, number>();
      for await (const batch of log.follow('objects', { from: 'snapshot', maxBatch })) {
        expect(batch.messages.length).toBeLessThanOrEqual(maxBatch);
        for (const [name, value] of brief(batch.messages)) values.set(name, Number(value));
        if (batch.isCaughtUp && written > subjects * 5) break;
        await write(subjects / 2);
        vi.setSystemTime(Date.now() + 1000);
      }
      // Each value is written in turn, so a state has as many of them, one after the other.
      const newest = Math.max(...values.values());
      expect(values.size).toBe(subjects);
      expect(Math.min(...values.values())).toBe(newest - subjects + 1);
    });

    test('delivers at the pace of its reader', async () => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        Array.from({ length: 5000 }, (_, i) => entry(`s${i}`, 'x'.repeat(500))),
      );
      const iterator = log.follow('objects', { from: 'snapshot', maxBatch: 50 })[Symbol.asyncIterator]();
      const first = await iterator.next();
      expect(first.value?.messages.length).toBeLessThanOrEqual(50);
      // What nobody has read yet can still be replaced: only a bounded part of it is on its way.
      await log.append('objects', entry('s4999', 'new'));
      const values: unknown[] = [];
      while (values.length < 5000 - (first.value?.messages.length ?? 0)) {
        const { value } = await iterator.next();
        values.push(...brief(value?.messages ?? []).map(([, data]) => data));
      }
      expect(values.filter((data) => data === 'new')).toHaveLength(1);
      expect(values).toHaveLength(5000 - (first.value?.messages.length ?? 0));
      await iterator.return?.();
    });
  });

  describe('follow from a number', () => {
    test('gives what came after it', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a', 1), entry('b', 1), entry('c', 1), entry('b', 2)]);
      const tail = await new Tail(log, { from: 2 }).caughtUp();
      expect(brief(tail.messages)).toEqual([
        ['c', 1],
        ['b', 2],
      ]);
      await tail.stop();
    });

    test('from the end is caught up at once', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a'), entry('b')]);
      const tail = await new Tail(log, { from: 2 }).caughtUp();
      expect(tail.batches).toEqual([{ messages: [], sequence: 2, isCaughtUp: true }]);
      await log.append('objects', entry('c'));
      await tail.reached(3);
      await tail.stop();
    });

    test('from beyond the end is expired: that position is of another log', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a'));
      expect(await new Tail(log, { from: 2 }).ended).toMatchObject({ code: 'expired' });
    });
  });

  describe('filters', () => {
    test.for([
      { filter: 'objects.p1.>', expected: ['p1.x', 'p1.y.z'] },
      { filter: 'objects.*.x', expected: ['p1.x', 'p2.x'] },
      { filter: 'objects.*.*.z', expected: ['p1.y.z'] },
      { filter: 'objects.p2.x', expected: ['p2.x'] },
      { filter: '>', expected: ['p1.x', 'p2.x', 'p1.y.z', 'p1'] },
      { filter: 'objects.*', expected: ['p1'] },
    ])('$filter', async ({ filter, expected }) => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        ['p1.x', 'p2.x', 'p1.y.z', 'p1'].map((name) => entry(name)),
      );
      const tail = await new Tail(log, { from: 'snapshot', filter }).caughtUp();
      expect(brief(tail.messages).map(([name]) => name)).toEqual(expected);
      await tail.stop();
    });

    test.for(['', 'a b', 'objects.>.x', 'objects..x', 'objects.>x'])('%j is refused', async (filter) => {
      const { log } = await adapter.open();
      expect(() => log.follow('objects', { from: 'snapshot', filter })).toThrow(/not a subject pattern/);
    });
  });

  describe('the end of an iteration', () => {
    test('comes with the signal, without an error, also before the first batch', async () => {
      const { log } = await adapter.open();
      const aborted = log.follow('objects', { from: 'snapshot', signal: AbortSignal.abort() });
      for await (const _ of aborted) expect.unreachable();
      const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
      expect(await tail.stop()).toBeUndefined();
    });

    test('comes with close, to every follower and consumer, and nothing is left over', async () => {
      const { log, leftovers } = await adapter.open();
      await log.append('objects', entry('a'));
      const tails = [new Tail(log, { from: 'snapshot' }), new Tail(log, { from: 0, filter: 'objects.a' })];
      for (const tail of tails) await tail.caughtUp();
      const stuck = log.follow('objects', { from: 'snapshot' })[Symbol.asyncIterator]();
      await stuck.next();
      let isConsumed = false;
      const consuming = (async () => {
        for await (const delivery of log.consume('objects', { durable: 'worker' })) {
          await delivery.ack();
          isConsumed = true;
        }
      })();
      await waitFor('the consumer to be at the end', () => isConsumed);
      await Promise.all([log.close(), log.close()]);
      for (const tail of tails) expect(await tail.ended).toBeUndefined();
      await consuming;
      expect(log.state).toBe('closed');
      await waitFor('everything to be given back', async () => (await leftovers()).length === 0);
      expect((await stuck.next()).done).toBe(true);
    });

    test('a closed log refuses everything', async () => {
      const { log } = await adapter.open();
      const states: string[] = [];
      log.onStateChange((state) => states.push(state));
      await log.close();
      expect(states).toEqual(['closed']);
      const refused = { code: 'unavailable' };
      await expect(log.append('objects', entry('a'))).rejects.toMatchObject(refused);
      await expect(log.appendAll('objects', [entry('a')])).rejects.toMatchObject(refused);
      await expect(log.last('objects', 'objects.a')).rejects.toMatchObject(refused);
      await expect(log.info('objects')).rejects.toMatchObject(refused);
      await expect(log.compact('objects', { storedBeforeMs: 0 })).rejects.toMatchObject(refused);
      expect(await new Tail(log, { from: 'snapshot' }).ended).toMatchObject(refused);
    });
  });
});

/** Numbers to five subjects in turn, and after every second one a mark: everything up to it is written, as a watermark says. */
class MarkedWrites {
  written = 0;
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      this.written += 1;
      await this.#log.append('objects', entry(`s${this.written % 5}`, this.written));
      if (this.written % 2 === 0) await this.#log.append('objects', entry('mark', this.written));
    }
  }

  /** Of each subject there is what was written last up to the mark, or something newer. */
  expectCovered(values: ReadonlyMap<string, number>): void {
    const mark = values.get('mark') ?? 0;
    for (let i = 0; i < 5; i += 1) expect(values.get(`s${i}`)).toBeGreaterThanOrEqual(mark - ((mark - i) % 5));
  }
}
