import { describe, expect, test } from 'vitest';
import { brief, entry, waitFor } from '../../../../test/harness/event-log-tail.ts';
import { describeEachLog } from '../../../../test/harness/event-logs.ts';
import type { ConsumeOptions, Delivery, EventLog } from '../event-log.ts';

describeEachLog((adapter) => {
  describe('consume', () => {
    test('gives each message once when it is acknowledged, and waits for more', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('a', 1), entry('b', 1)]);
      const consumer = new Consumer(log, { durable: 'worker' });
      await consumer.received(2);
      await log.append('objects', entry('a', 2));
      await consumer.received(3);
      expect(consumer.values).toEqual([
        ['a', 1],
        ['b', 1],
        ['a', 2],
      ]);
      expect(consumer.counts).toEqual([1, 1, 1]);
      await consumer.stop();
    });

    test('goes on after what was acknowledged, in a log that was opened again', async () => {
      const { log, reopen } = await adapter.open();
      await log.appendAll('objects', [entry('a'), entry('b'), entry('c')]);
      const first = new Consumer(log, { durable: 'worker' });
      await first.received(3);
      await log.close();
      const again = await reopen();
      await again.append('objects', entry('d'));
      const second = new Consumer(again, { durable: 'worker' });
      const other = new Consumer(again, { durable: 'other' });
      await second.received(1);
      await other.received(4);
      expect(second.values).toEqual([['d', 'd']]);
      await second.stop();
      await other.stop();
    });

    test('gives only what matches its filter', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('p1.a'), entry('p2.a'), entry('p1.b')]);
      const consumer = new Consumer(log, { durable: 'worker', filter: 'objects.p1.>' });
      await consumer.received(2);
      expect(consumer.values.map(([name]) => name)).toEqual(['p1.a', 'p1.b']);
      await consumer.stop();
    });

    test('a durable position takes a new filter', async () => {
      const { log } = await adapter.open();
      await log.appendAll('objects', [entry('p1.a'), entry('p2.a')]);
      const first = new Consumer(log, { durable: 'worker', filter: 'objects.p1.>' });
      await first.received(1);
      await first.stop();
      await log.append('objects', entry('p2.b'));
      const second = new Consumer(log, { durable: 'worker', filter: 'objects.p2.>' });
      await waitFor('the new filter', () => second.values.some(([name]) => name === 'p2.b'));
      await second.stop();
    });

    test('delivers again what is not acknowledged in time, and counts', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a'));
      const counts: number[] = [];
      for await (const delivery of log.consume('objects', { durable: 'worker', ackWaitMs: 300 })) {
        counts.push(...delivery.messages.map(({ deliveryCount }) => deliveryCount));
        if (counts.length < 3) continue;
        await delivery.ack();
        break;
      }
      expect(counts).toEqual([1, 2, 3]);
    });

    test('delivers again what is to be retried, after the delay', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a'));
      const times: number[] = [];
      for await (const delivery of log.consume('objects', { durable: 'worker' })) {
        times.push(Date.now());
        if (times.length === 2) {
          await delivery.ack();
          break;
        }
        await delivery.retry(200);
      }
      const [first = 0, second = 0] = times;
      expect(second - first).toBeGreaterThanOrEqual(190);
      expect(second - first).toBeLessThan(10_000);
    });

    test('does not deliver a value again that was replaced', async () => {
      const { log } = await adapter.open();
      await log.append('objects', entry('a', 1));
      const seen: unknown[] = [];
      for await (const delivery of log.consume('objects', { durable: 'worker', ackWaitMs: 300 })) {
        seen.push(...brief(delivery.messages).map(([, value]) => value));
        if (seen.length === 1) {
          await log.append('objects', entry('a', 2));
          continue;
        }
        await delivery.ack();
        break;
      }
      expect(seen).toEqual([1, 2]);
    });

    test('stops at maxInFlight until something is acknowledged', async () => {
      const { log } = await adapter.open();
      await log.appendAll(
        'objects',
        Array.from({ length: 30 }, (_, i) => entry(`s${i}`)),
      );
      const held: Delivery[] = [];
      const abort = new AbortController();
      const options = { durable: 'worker', maxInFlight: 10, maxBatch: 4, signal: abort.signal };
      const consuming = (async () => {
        for await (const delivery of log.consume('objects', options)) held.push(delivery);
      })();
      const count = () => held.flatMap(({ messages }) => messages).length;
      await waitFor('ten messages', () => count() === 10);
      expect(Math.max(...held.map(({ messages }) => messages.length))).toBeLessThanOrEqual(4);
      // A round trip in which more could have come.
      await log.append('objects', entry('later'));
      await log.last('objects', 'objects.later');
      expect(count()).toBe(10);
      const released = held[0]?.messages.length ?? 0;
      await held[0]?.ack();
      await waitFor('as many more', () => count() === 10 + released);
      abort.abort();
      await consuming;
    });

    test.for(['', 'a.b', 'a b', '>'])('refuses %j as the name of a position', async (durable) => {
      const { log } = await adapter.open();
      expect(() => log.consume('objects', { durable })).toThrow(/durable/);
    });
  });
});

/** Acknowledges everything and keeps what came. */
class Consumer {
  readonly values: [string, unknown][] = [];
  readonly counts: number[] = [];
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;

  constructor(log: EventLog, options: ConsumeOptions) {
    this.#ended = this.#consume(log, options);
  }

  received(count: number): Promise<void> {
    return waitFor(`${count} messages`, () => this.values.length >= count);
  }

  stop(): Promise<void> {
    this.#abort.abort();
    return this.#ended;
  }

  async #consume(log: EventLog, options: ConsumeOptions): Promise<void> {
    for await (const delivery of log.consume('objects', { ...options, signal: this.#abort.signal })) {
      await delivery.ack();
      this.values.push(...brief(delivery.messages));
      this.counts.push(...delivery.messages.map(({ deliveryCount }) => deliveryCount));
    }
  }
}
