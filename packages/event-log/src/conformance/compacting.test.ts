import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brief, entry, snapshot, Tail, tombstone } from '../../../../test/harness/event-log-tail.ts';
import { describeEachLog } from '../../../../test/harness/event-logs.ts';
import type { EventLog } from '../event-log.ts';

/** Later than everything stored so far, on any clock of this machine. */
const everything = () => ({ storedBeforeMs: Date.now() + 1000 });

describeEachLog((adapter) => {
  describe('compact', () => {
    test('removes old tombstones only, and tells how many', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [
        entry('a'),
        entry('b'),
        entry('c'),
        tombstone('a'),
        tombstone('b'),
        entry('b', 2),
      ]);
      expect(await log.compact('objects', { storedBeforeMs: Date.now() - 60_000 })).toBe(0);
      expect(await log.compact('objects', everything())).toBe(1);
      expect(brief(await snapshot(log))).toEqual([
        ['c', 'c'],
        ['b', 2],
      ]);
      expect(await log.info('objects')).toMatchObject({ lastSequence: 6, messages: 2, compactedTo: 4 });
      expect(await log.compact('objects', everything())).toBe(0);
      expect(await log.append('objects', { ...entry('a'), expectedSequence: 0 })).toBe(7);
    });

    test('expires positions below it, also in a log that was opened again', async () => {
      const { log, reopen } = await adapter.open();
      await log.appendAll('objects', [entry('a'), entry('b'), tombstone('a')]);
      await log.compact('objects', everything());
      await log.close();
      const again = await reopen();
      expect(again.id).toBe(log.id);
      expect(await again.info('objects')).toMatchObject({ lastSequence: 3, compactedTo: 3 });
      expect(await new Tail(again, { from: 2 }).ended).toMatchObject({ code: 'expired' });
      const tail = await new Tail(again, { from: 3 }).caughtUp();
      expect(tail.messages).toEqual([]);
      await tail.stop();
      expect(await again.append('objects', entry('c'))).toBe(4);
    });

    test('leaves followers alone that have seen the tombstones, or whose filter does not match them', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a'), entry('p.b')]);
      const all = await new Tail(log, { from: 'snapshot' }).caughtUp();
      const some = await new Tail(log, { from: 'snapshot', filter: 'objects.p.>' }).caughtUp();
      await log.append('objects', tombstone('a'));
      await all.reached(3);
      await log.compact('objects', everything());
      await log.append('objects', entry('p.b', 2));
      await all.reached(4);
      await some.reached(4);
      expect(brief(some.messages)).toEqual([
        ['p.b', 'p.b'],
        ['p.b', 2],
      ]);
      await all.stop();
      await some.stop();
    });

    test('expires a reader so slow that it has not seen the deletion of what it has', async () => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        Array.from({ length: 5000 }, (_, i) => entry(`s${i}`, 'x'.repeat(500))),
      );
      const iterator = log.follow('objects', { from: 'snapshot', maxBatch: 10 })[Symbol.asyncIterator]();
      await iterator.next();
      await log.append('objects', tombstone('s0'));
      await log.compact('objects', everything());
      const readOn = async () => {
        while (!(await iterator.next()).done);
      };
      await expect(readOn()).rejects.toMatchObject({ code: 'expired' });
    });
  });

  describe('any sequence of appends, deletions and compactions', () => {
    type Action =
      | { type: 'append'; name: string; value: number }
      | { type: 'remove'; name: string }
      | { type: 'compact' };
    const names = fc.constantFrom('a', 'b', 'p.a', 'p.b', 'p.c');
    const append = fc.record({ type: fc.constant('append' as const), name: names, value: fc.nat(9) });
    const remove = fc.record({ type: fc.constant('remove' as const), name: names });
    const compact = fc.constant({ type: 'compact' as const });
    const action = fc.oneof(
      { weight: 6, arbitrary: append },
      { weight: 4, arbitrary: remove },
      { weight: 1, arbitrary: compact },
    );
    const actions = fc.array(action, { minLength: 5, maxLength: 30 });

    test('leaves every follower with the last values of the log', { timeout: 120_000 }, async () => {
      const check = fc.asyncProperty(actions, fc.array(fc.nat(30), { maxLength: 3 }), async (steps, resumeAt) => {
        const { log } = await adapter.open();
        const steady = new Resuming(log, undefined);
        const followers = [new Resuming(log, undefined), new Resuming(log, 'objects.p.>')];
        for (const [index, step] of steps.entries()) {
          if (resumeAt.includes(index)) for (const follower of followers) await follower.toggle();
          await apply(log, step);
        }
        await expectSame(log, [steady, ...followers]);
        await log.close();
      });
      await fc.assert(check, { numRuns: adapter.propertyRuns, endOnFailure: true });
    });

    async function apply(log: EventLog, step: Action): Promise<void> {
      if (step.type === 'append') await log.append('objects', entry(step.name, step.value));
      else if (step.type === 'remove') await log.append('objects', tombstone(step.name));
      else await log.compact('objects', everything());
    }

    async function expectSame(log: EventLog, followers: Resuming[]): Promise<void> {
      // One more message for each of them marks the end.
      const last = await log.append('objects', entry('p.end'));
      const live = (await snapshot(log)).filter(({ data }) => data !== null);
      const expected = new Map(live.map(({ subject, data }) => [subject, data]));
      for (const follower of followers) {
        const own = [...expected].filter(
          ([subject]) => follower.filter === undefined || subject.startsWith('objects.p.'),
        );
        expect(await follower.finish(last)).toEqual(new Map(own));
      }
    }
  });
});

/** Follows from a snapshot, stops and resumes from its number; an `expired` position begins again with a snapshot. */
class Resuming {
  readonly filter: string | undefined;
  readonly #log: EventLog;
  #values = new Map<string, string>();
  #position: number | 'snapshot' = 'snapshot';
  #tail: Tail | undefined;

  constructor(log: EventLog, filter: string | undefined) {
    this.#log = log;
    this.filter = filter;
    this.#tail = this.#follow();
  }

  async toggle(): Promise<void> {
    if (this.#tail === undefined) this.#tail = this.#follow();
    else await this.#stop(this.#tail);
  }

  async finish(last: number): Promise<Map<string, string>> {
    for (let tries = 0; tries < 3; tries += 1) {
      const tail = this.#tail ?? this.#follow();
      const error = await Promise.race([tail.reached(last), tail.ended]);
      if (error === tail) {
        await this.#stop(tail);
        return this.#values;
      }
      await this.#stop(tail);
    }
    throw new Error('the follower never reached the end');
  }

  #follow(): Tail {
    const options = this.filter === undefined ? {} : { filter: this.filter };
    return new Tail(this.#log, { from: this.#position, ...options });
  }

  async #stop(tail: Tail): Promise<void> {
    const error = await tail.stop();
    this.#tail = undefined;
    if (this.#position === 'snapshot') this.#values = new Map();
    for (const { subject, data } of tail.messages) {
      if (data === null) this.#values.delete(subject);
      else this.#values.set(subject, data);
    }
    if (error !== undefined) {
      expect(error).toMatchObject({ code: 'expired' });
      this.#position = 'snapshot';
    } else if (tail.isCaughtUp) {
      this.#position = tail.sequence;
    } else if (this.#position !== 'snapshot') {
      this.#position = Math.max(this.#position, tail.sequence);
    }
  }
}
