/** Every adapter of the event log, for suites that hold for all of them. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { type EventLog, type LogLimits, openSqliteEventLog } from '@signalbox/event-log';
import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import { startNatsCluster } from './nats-cluster.ts';
import { natsServerMissing, startNatsServer } from './nats-server.ts';
import { openJetStreamPatiently } from './open-jetstream.ts';

export interface ConformanceAdapter {
  readonly name: string;
  /** How often a property is tried: a compaction takes a second on JetStream. */
  readonly propertyRuns: number;
  /** A new, empty log. */
  open(limits?: LogLimits): Promise<OpenedLog>;
}

export interface OpenedLog {
  readonly log: EventLog;
  /** Opens the same log once more, after `close`. */
  readonly reopen: () => Promise<EventLog>;
  /** What a closed log left behind: consumers, locks, sockets. */
  readonly leftovers: () => Promise<string[]>;
}

/** Defines the tests once for each adapter. After each test its logs are closed, and must have left nothing behind. */
export function describeEachLog(define: (adapter: ConformanceAdapter) => void): void {
  describeSqlite(define);
  describeJetStream(define, { name: 'JetStreamEventLog', replicas: 1 });
  describeJetStream(define, { name: 'JetStreamEventLog on a cluster of three', replicas: 3 });
}

function describeSqlite(define: (adapter: ConformanceAdapter) => void): void {
  describe('SqliteEventLog', () => {
    const keep = closeAfterEach();
    let folder = '';
    let files = 0;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'signalbox-log-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    define({
      name: 'SQLite',
      propertyRuns: 60,
      async open(limits) {
        files += 1;
        const path = join(folder, `${files}.db`);
        // Closed means: no lock, and everything in the one file.
        const leftovers = async () => ['-wal', '-shm', '-journal'].map((end) => path + end).filter(existsSync);
        const open = async () => keep(openSqliteEventLog({ path, ...limits }), leftovers);
        return { log: await open(), reopen: open, leftovers };
      },
    });
  });
}

function describeJetStream(
  define: (adapter: ConformanceAdapter) => void,
  { name, replicas }: { name: string; replicas: 1 | 3 },
): void {
  const missing = natsServerMissing();
  const suffix = missing === undefined ? '' : ` (skipped: ${missing})`;

  describe.skipIf(missing !== undefined)(`${name}${suffix}`, () => {
    const keep = closeAfterEach();
    let nats: { readonly servers: readonly string[]; stop(): Promise<void> };
    let observer: NatsConnection;
    let prefixes = 0;
    beforeAll(async () => {
      nats = replicas === 1 ? await startOne() : await startNatsCluster();
      observer = await connect({ servers: [...nats.servers] });
    }, 60_000);
    afterAll(async () => {
      await observer.close();
      await nats.stop();
    }, 60_000);

    define({
      name: `JetStream R${replicas}`,
      propertyRuns: replicas === 1 ? 15 : 5,
      async open(limits) {
        prefixes += 1;
        const prefix = `t${prefixes}`;
        // Small by default: the server reserves the space of each stream.
        const settings = { servers: nats.servers, name: 'test', prefix, replicas, maxBytes: 64 * 1024 ** 2, ...limits };
        const leftovers = () => followersOf(observer, prefix);
        const open = async () => keep(await openJetStreamPatiently(settings), leftovers);
        return { log: await open(), reopen: open, leftovers };
      },
    });
  });
}

async function startOne() {
  const server = await startNatsServer();
  return { servers: [server.url], stop: () => server.stop() };
}

type Keep = (log: EventLog, leftovers: () => Promise<string[]>) => EventLog;

function closeAfterEach(): Keep {
  const opened: { readonly log: EventLog; readonly leftovers: () => Promise<string[]> }[] = [];
  afterEach(async () => {
    const all = opened.splice(0);
    await Promise.all(all.map(({ log }) => log.close()));
    for (const { leftovers } of all) expect(await leftovers()).toEqual([]);
  });
  return (log, leftovers) => {
    opened.push({ log, leftovers });
    return log;
  };
}

/** Ephemeral consumers that a log still has on the server. */
async function followersOf(observer: NatsConnection, prefix: string): Promise<string[]> {
  const manager = await jetstreamManager(observer);
  const names: string[] = [];
  for (const stream of ['objects', 'derived', 'status']) {
    for await (const { name, config } of manager.consumers.list(`${prefix}-${stream}`)) {
      if (config.durable_name === undefined) names.push(name);
    }
  }
  return names;
}
