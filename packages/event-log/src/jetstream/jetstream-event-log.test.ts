import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { brief, entry, snapshot, Tail, waitFor } from '../../../../test/harness/event-log-tail.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../../../../test/harness/nats-server.ts';
import { type JetStreamEventLog, type JetStreamEventLogOptions, openJetStreamEventLog } from './jetstream-event-log.ts';

const missing = natsServerMissing();
const suffix = missing === undefined ? '' : ` (skipped: ${missing})`;
const MIB = 1024 ** 2;

describe.skipIf(missing !== undefined)(`JetStreamEventLog on a real server${suffix}`, { timeout: 60_000 }, () => {
  let server: NatsServer;
  let prefixes = 0;
  const opened: JetStreamEventLog[] = [];

  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((log) => log.close()));
  });

  function newPrefix(): string {
    prefixes += 1;
    return `r${prefixes}`;
  }

  async function open(options: Partial<JetStreamEventLogOptions> = {}): Promise<JetStreamEventLog> {
    const defaults = { servers: server.url, name: 'test', prefix: newPrefix(), maxBytes: 64 * MIB };
    const log = await openJetStreamEventLog({ ...defaults, ...options });
    opened.push(log);
    return log;
  }

  async function withObserver<Result>(work: (observer: NatsConnection) => Promise<Result>): Promise<Result> {
    const observer = await connect({ servers: server.url });
    try {
      return await work(observer);
    } finally {
      await observer.close();
    }
  }

  test('a follower whose consumer lives and delivers nothing makes itself another one', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix, selfCheckMs: 100 });
    const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
    await withObserver(async (observer) => {
      const { consumers } = await jetstreamManager(observer);
      const [consumer] = await consumers.list(`${prefix}-objects`).next();
      // It goes on with its heartbeats.
      const filter_subject = `${prefix}.objects.nothing`;
      await consumers.update(`${prefix}-objects`, consumer?.name ?? '', { ...consumer?.config, filter_subject });
    });
    expect(log.lostConsumers).toBe(0);
    const last = await log.append('objects', entry('a'));
    await tail.reached(last);
    await log.append('objects', entry('b'));
    await tail.reached(last + 1);
    expect(brief(tail.messages)).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ]);
    expect(log.lostConsumers).toBe(1);
    await tail.stop();
  });

  describe('an acknowledgement that is lost while others come', () => {
    /** Nobody stores the first message of `lost`, and nobody says so; as a leader does that steps down. */
    async function loseFirst(
      expectation: { expectedSequence?: number } = {},
    ): Promise<{ log: JetStreamEventLog; lost: Promise<number> }> {
      const prefix = newPrefix();
      const log = await open({ prefix });
      return await withObserver(async (observer) => {
        const { streams } = await jetstreamManager(observer);
        await streams.update(`${prefix}-objects`, { subjects: [`${prefix}.objects.kept`] });
        const swallowed = new Promise((resolve) => {
          observer.subscribe(`${prefix}.objects.lost`, { callback: resolve });
        });
        await observer.flush();
        const appending = log.append('objects', { ...entry('lost'), ...expectation });
        appending.catch(() => {});
        await swallowed;
        await streams.update(`${prefix}-objects`, { subjects: [`${prefix}.objects.>`] });
        return { log, lost: appending };
      });
    }

    /** As heartbeats do: often enough that there always was an acknowledgement a moment ago. */
    async function whileOthersCome(log: JetStreamEventLog, appending: Promise<number>): Promise<number> {
      const beat = setInterval(() => void log.append('objects', entry('kept')).catch(() => {}), 200);
      const tooLong = new Promise<never>((_resolve, reject) => {
        setTimeout(() => reject(new Error('the append stands still')), 15_000).unref();
      });
      return await Promise.race([appending, tooLong]).finally(() => clearInterval(beat));
    }

    test('sends the append again', async () => {
      const { log, lost } = await loseFirst();
      const sequence = await whileOthersCome(log, lost);
      expect(await log.last('objects', 'objects.lost')).toMatchObject({ sequence });
    });

    test('says of an append with an expectation that it is not known whether it was stored', async () => {
      const { log, lost } = await loseFirst({ expectedSequence: 0 });
      await expect(whileOthersCome(log, lost)).rejects.toMatchObject({ code: 'unavailable' });
      expect(await log.last('objects', 'objects.lost')).toBeUndefined();
    });
  });

  describe('a server that crashes and comes back', () => {
    test('changes the state, and followers go on without loss or duplicates', async () => {
      const log = await open();
      const states: string[] = [];
      log.onStateChange((state) => states.push(state));
      await log.appendAll('objects', [entry('a', 1), entry('b', 1)]);
      const all = await new Tail(log, { from: 'snapshot' }).caughtUp();
      const some = await new Tail(log, { from: 0, filter: 'objects.b' }).caughtUp();
      await server.kill();
      await waitFor('the loss to be seen', () => log.state === 'disconnected');
      const waiting = log.appendAll('objects', [entry('c', 1), entry('b', 2)]);
      const late = new Tail(log, { from: 'snapshot' });
      await server.restart();
      const [, last = 0] = await waiting;
      await all.reached(last);
      await some.reached(last);
      await late.reached(last);
      await waitFor('the new state', () => log.state === 'connected');
      expect(states).toEqual(['disconnected', 'connected']);
      expect(brief(all.messages)).toEqual([
        ['a', 1],
        ['b', 1],
        ['c', 1],
        ['b', 2],
      ]);
      expect(brief(some.messages)).toEqual([
        ['b', 1],
        ['b', 2],
      ]);
      expect([...late.values.values()].sort()).toEqual(['1', '1', '2']);
      for (const tail of [all, some, late]) expect(await tail.stop()).toBeUndefined();
    });

    test('in the middle of many appends keeps their order: the last value of each subject is there', async () => {
      const log = await open();
      const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
      const entries = Array.from({ length: 40_000 }, (_, i) => entry(`s${i % 500}`, i));
      const appending = log.appendAll('objects', entries);
      await waitFor('the first ones to be stored', () => tail.messages.length > 500);
      await server.kill();
      await server.restart();
      const sequences = await appending;
      expect(sequences).toHaveLength(entries.length);
      expect(new Set(sequences).size).toBe(entries.length);
      const expected = Array.from({ length: 500 }, (_, i) => [`s${i}`, 39_500 + i]);
      expect(brief(await snapshot(log))).toEqual(expected);
      await tail.reached(sequences.at(-1) ?? 0);
      const seen = tail.messages.map(({ sequence }) => sequence);
      expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
      expect(tail.values.size).toBe(500);
      await tail.stop();
    });

    test('delivers to consumers what was not acknowledged', async () => {
      const log = await open();
      await log.append('objects', entry('a'));
      const values: unknown[] = [];
      const abort = new AbortController();
      const consuming = (async () => {
        for await (const delivery of log.consume('objects', { durable: 'w', ackWaitMs: 1000, signal: abort.signal })) {
          values.push(...brief(delivery.messages).map(([name]) => name));
          if (values.length > 1) await delivery.ack();
        }
      })();
      await waitFor('the first delivery', () => values.length === 1);
      await server.kill();
      await server.restart();
      await log.append('objects', entry('b'));
      await waitFor('both', () => values.includes('b') && values.filter((name) => name === 'a').length > 1);
      abort.abort();
      await consuming;
    });

    test('has the same log; one whose store is empty has another, and expires its followers', async () => {
      const own = await startNatsServer();
      const options = { servers: own.url, prefix: newPrefix() };
      const log = await open(options);
      await log.append('objects', entry('a'));
      await own.kill();
      await own.restart();
      const same = await open(options);
      expect(same.id).toBe(log.id);
      const tail = await new Tail(same, { from: 'snapshot' }).caughtUp();
      const observer = await connect({ servers: own.url });
      await (await jetstreamManager(observer)).streams.delete(`${options.prefix}-objects`);
      await observer.close();
      const other = await open(options);
      expect(other.id).not.toBe(log.id);
      await own.kill();
      await own.restart();
      expect(await tail.ended).toMatchObject({ code: 'expired' });
      await Promise.all([log, same, other].map((each) => each.close()));
      await own.stop();
    });
  });

  describe('a server that stays away', () => {
    test('fails what is asked of it, in time, and lets the log be closed', async () => {
      const own = await startNatsServer();
      const log = await open({ servers: own.url, appendTimeoutMs: 500 });
      const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
      await own.kill();
      await waitFor('the loss to be seen', () => log.state === 'disconnected');
      await expect(log.append('objects', entry('a'))).rejects.toMatchObject({ code: 'unavailable' });
      await expect(log.appendAll('objects', [entry('a')])).rejects.toMatchObject({ code: 'unavailable' });
      await expect(log.last('objects', 'objects.a')).rejects.toMatchObject({ code: 'unavailable' });
      await expect(log.info('objects')).rejects.toMatchObject({ code: 'unavailable' });
      await log.close();
      expect(log.state).toBe('closed');
      expect(await tail.ended).toBeUndefined();
      await own.stop();
    });

    test('cannot be opened: the error names it', async () => {
      const away = openJetStreamEventLog({ servers: '127.0.0.1:1', name: 'test' });
      await expect(away).rejects.toMatchObject({ code: 'unavailable' });
      await expect(away).rejects.toThrow('127.0.0.1:1');
    });
  });

  test('a consumer that vanishes is made again where the last one stopped', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix });
    await log.append('objects', entry('a'));
    const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
    await withObserver(async (observer) => {
      const manager = await jetstreamManager(observer);
      for await (const { name } of manager.consumers.list(`${prefix}-objects`)) {
        await manager.consumers.delete(`${prefix}-objects`, name);
      }
    });
    await log.append('objects', entry('b'));
    await tail.reached(2);
    expect(brief(tail.messages).map(([name]) => name)).toEqual(['a', 'b']);
    await tail.stop();
  });

  test('a follower notices a message that went missing, and fetches it', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix });
    await log.append('objects', entry('a'));
    const tail = await new Tail(log, { from: 'snapshot' }).caughtUp();
    await withObserver(async (observer) => {
      const consumers = (await jetstreamManager(observer)).consumers.list(`${prefix}-objects`);
      const [consumer] = await consumers.next();
      let stolen = 0;
      observer.subscribe('thief', {
        callback: () => {
          stolen += 1;
        },
      });
      // Requests are served in turns: this one takes every other message.
      observer.publish(`$JS.API.CONSUMER.MSG.NEXT.${prefix}-objects.${consumer?.name}`, '{"batch":3}', {
        reply: 'thief',
      });
      await observer.flush();
      await log.appendAll('objects', [entry('b'), entry('c'), entry('d'), entry('e')]);
      await waitFor('a message to be stolen', () => stolen > 0);
    });
    await log.append('objects', entry('f'));
    await tail.reached(6);
    expect(tail.messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
    await tail.stop();
  });

  test('asks the server for no more than it can hold', async () => {
    const prefix = newPrefix();
    const log = await open({ prefix });
    await log.appendAll(
      'objects',
      Array.from({ length: 5000 }, (_, i) => entry(`s${i}`)),
    );
    const iterator = log.follow('objects', { from: 'snapshot', maxBatch: 10 })[Symbol.asyncIterator]();
    await iterator.next();
    await withObserver(async (observer) => {
      const { consumers } = await jetstreamManager(observer);
      // Time enough for all of it to come, if it had been asked for.
      for (let i = 0; i < 200; i += 1) await observer.flush();
      const [consumer] = await consumers.list(`${prefix}-objects`).next();
      expect(consumer?.num_pending).toBeGreaterThanOrEqual(5000 - 1010);
    });
    await iterator.return?.();
  });

  test('logs of other prefixes on the same server are other logs', async () => {
    const [one, two] = [await open(), await open()];
    expect(one.id).not.toBe(two.id);
    await one.append('objects', entry('a', 1));
    expect(await two.append('objects', entry('b', 2))).toBe(1);
    expect(brief(await snapshot(one))).toEqual([['a', 1]]);
  });

  test('two openers of one log see the same, and settings are brought up to date', async () => {
    const prefix = newPrefix();
    const one = await open({ prefix });
    const two = await open({ prefix, maxBytes: 32 * MIB });
    expect(two.id).toBe(one.id);
    const tail = await new Tail(two, { from: 'snapshot' }).caughtUp();
    await one.append('objects', entry('a'));
    await tail.reached(1);
    await tail.stop();
    await withObserver(async (observer) => {
      const { config } = await (await jetstreamManager(observer)).streams.info(`${prefix}-objects`);
      expect(config).toMatchObject({ max_bytes: 32 * MIB, max_msgs_per_subject: 1, discard: 'new', storage: 'file' });
    });
  });

  test('a stream that cannot be made as wanted is refused by name', async () => {
    const prefix = newPrefix();
    await withObserver(async (observer) => {
      const manager = await jetstreamManager(observer);
      const subjects = [`${prefix}.objects.>`];
      await manager.streams.add({ name: `${prefix}-objects`, subjects, storage: StorageType.Memory });
    });
    await expect(open({ prefix })).rejects.toThrow(`${prefix}-objects`);
  });

  test('a message larger than the server takes is a limit, and the next one is stored', async () => {
    const log = await open();
    const large = entry('a', 'x'.repeat(2 * MIB));
    await expect(log.append('objects', large)).rejects.toMatchObject({ code: 'limit' });
    expect(await log.append('objects', entry('a'))).toBe(1);
  });
});

test('a prefix that is no token is refused', async () => {
  const opening = openJetStreamEventLog({ servers: '127.0.0.1:1', name: 'test', prefix: 'a.b' });
  await expect(opening).rejects.toMatchObject({ code: 'invalid' });
});
