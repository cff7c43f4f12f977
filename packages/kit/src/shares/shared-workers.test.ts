import { type DerivedMessage, groupSubject, layerGroup, type Watermark } from '@signalbox/contracts';
import { type AppendEntry, type EventLog, type LogMessage, openSqliteEventLog } from '@signalbox/event-log';
import { afterEach, describe, expect, test } from 'vitest';
import { derivedState, snapshot } from '../../../../test/harness/derived.ts';
import { HeldBackLog } from '../../../../test/harness/held-back-log.ts';
import { aCluster, aService, aSlice, tombstoneOf, upsertOf } from '../../../../test/harness/objects.ts';
import { createLogger } from '../logger.ts';
import { createRegistry } from '../metrics.ts';
import { defineWorker } from '../worker.ts';
import { type RunningWorkers, startWorkers } from '../worker-runtime.ts';
import { startSharedWorker } from './shared-workers.ts';

const POLL = { timeout: 15_000, interval: 10 };
const LEASE_MS = 400;
const logger = createLogger({ component: 'test', level: 'silent' });
const opened: { close?: () => Promise<void>; stop?: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await (each.stop?.() ?? each.close?.());
});

const worker = defineWorker<'dns'>({
  name: 'dns-worker',
  layer: 'dns',
  reads: ['Service', 'EndpointSlice'],
  derive: ({ cluster, service, slices }) => {
    const { namespace, name } = service.metadata;
    const addresses = slices.flatMap((slice) => slice.endpoints.flatMap((endpoint) => endpoint.addresses));
    const records = addresses.map((address) => ({ name, ttlSeconds: 30, type: 'A' as const, address }));
    return { document: { cluster: cluster.name, namespace, name, records }, skipped: [] };
  },
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  opened.push(log);
  return log;
}

interface Replica extends RunningWorkers {
  partitions(): Promise<number>;
}

async function replica(log: EventLog): Promise<Replica> {
  const registry = createRegistry();
  const running = await startSharedWorker({ log, logger, registry }, worker, { leaseMs: LEASE_MS });
  opened.push(running);
  const partitions = async () =>
    (await registry.getSingleMetric('signalbox_worker_partitions')?.get())?.values[0]?.value ?? 0;
  return Object.assign(running, { partitions });
}

const NAMES = Array.from({ length: 40 }, (_, i) => `s${i}`);
const REVERTED = ['s10', 's11', 's12', 's13'];
const append = (log: EventLog, ...entries: AppendEntry[]): Promise<number[]> => log.appendAll('objects', entries);
const address = (name: string, ip: string): AppendEntry => upsertOf('eu', aSlice(name, [ip]));

async function fill(log: EventLog): Promise<void> {
  const services = NAMES.map((name) => upsertOf('eu', aService(name)));
  await append(log, ...services, ...NAMES.map((name) => address(name, '10.0.0.1')), upsertOf('eu', aCluster('eu')));
}

async function watermarkAtEnd(log: EventLog): Promise<void> {
  const { lastSequence } = await log.info('objects');
  await expect.poll(async () => (await derivedState(log)).watermarks.dns?.revision, POLL).toBe(lastSequence);
}

/** As one worker alone derives it from what the log holds. */
async function oracle(log: EventLog): Promise<Record<string, unknown>> {
  const fresh = openLog();
  const objects = (await snapshot(log, 'objects')).filter(({ data }) => data !== null);
  await append(fresh, ...objects.map(({ subject, data }) => ({ subject, data })));
  const alone = await startWorkers({ log: fresh, logger, registry: createRegistry() }, [worker]);
  opened.push(alone);
  await alone.processAll();
  return contents((await derivedState(fresh)).documents);
}

function contents(documents: Readonly<Record<string, DerivedMessage>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(documents).map(([key, { document }]) => [key, document]));
}

/** Every message of the stream as it came; fails when a revision went back. */
function watch(log: EventLog): { readonly messages: LogMessage[]; check(): void } {
  const messages: LogMessage[] = [];
  const following = (async () => {
    for await (const batch of log.follow('derived', { from: 'snapshot' })) messages.push(...batch.messages);
  })();
  following.catch(() => {});
  return {
    messages,
    check: () => {
      const highest = new Map<string, number>();
      for (const { subject, data } of messages) {
        if (data === null) continue;
        const { revision } = JSON.parse(data) as DerivedMessage | Watermark;
        expect([subject, revision]).toEqual([subject, Math.max(revision, highest.get(subject) ?? 0)]);
        highest.set(subject, revision);
      }
    },
  };
}

describe('replicas of one worker', () => {
  test('share the partitions evenly, and derive together what one derives alone', async () => {
    const log = openLog();
    await fill(log);
    const replicas = [await replica(log), await replica(log), await replica(log)];
    await expect
      .poll(async () => (await Promise.all(replicas.map((each) => each.partitions()))).sort((a, b) => a - b), POLL)
      .toEqual([21, 21, 22]);
    await append(log, address('s1', '10.0.0.2'), address('s2', '10.0.0.2'), tombstoneOf('eu', aService('s3')));
    await watermarkAtEnd(log);
    expect(contents((await derivedState(log)).documents)).toEqual(await oracle(log));
    for (const each of replicas) expect(each.readiness()).toEqual({ isReady: true, reason: '' });
  });

  test('one that stops hands over, and nothing is published anew', async () => {
    const log = openLog();
    await fill(log);
    const [first, second] = [await replica(log), await replica(log)];
    await expect.poll(() => second.partitions(), POLL).toBe(32);
    await watermarkAtEnd(log);
    const { lastSequence } = await log.info('derived');
    await first.stop();
    await expect.poll(() => second.partitions(), POLL).toBe(64);
    expect((await log.info('derived')).lastSequence).toBe(lastSequence);
    await append(log, address('s1', '10.0.0.9'));
    await watermarkAtEnd(log);
    expect(contents((await derivedState(log)).documents)).toEqual(await oracle(log));
  });

  test('one that is stopped while it joins is no member afterwards', async () => {
    const log = openLog();
    const slow = new HeldBackLog(log);
    slow.hold();
    const joining = await replica(slow.log);
    await expect.poll(() => slow.heldIn('leases'), POLL).toBeGreaterThan(0);
    const stopped = joining.stop();
    slow.letGo();
    await stopped;
    const group = await log.last('leases', groupSubject(layerGroup('dns')));
    expect(JSON.parse(group?.data ?? '')).toMatchObject({ members: [] });
  });

  test('a watermark waits for the slowest, and lists no cluster before all have it', async () => {
    const log = openLog();
    const slow = new HeldBackLog(log);
    await append(log, ...NAMES.map((name) => upsertOf('eu', aService(name))));
    const [first, second] = [await replica(log), await replica(slow.log)];
    await expect.poll(() => second.partitions(), POLL).toBe(32);
    await watermarkAtEnd(log);
    slow.hold();
    await append(log, upsertOf('eu', aCluster('eu')));
    await first.processAll();
    await expect.poll(async () => Object.keys((await derivedState(log)).documents).length, POLL).toBeGreaterThan(5);
    expect((await derivedState(log)).watermarks.dns).toMatchObject({ revision: NAMES.length, clusters: {} });
    slow.letGo();
    await watermarkAtEnd(log);
    const { documents, watermarks } = await derivedState(log);
    expect([Object.keys(documents).length, watermarks.dns?.clusters]).toEqual([
      40,
      { eu: { domain: 'cluster.local' } },
    ]);
  });
});

describe('an owner that was paused', () => {
  test('cannot change anything when what it had sent arrives after others took over', async () => {
    const log = openLog();
    await fill(log);
    const paused = new HeldBackLog(log);
    const late = await replica(paused.log);
    await expect.poll(() => late.partitions(), POLL).toBe(64);
    await watermarkAtEnd(log);
    const watched = watch(log);
    paused.hold();
    // Changed and gone, each derived and on its way while nothing arrives.
    await append(log, address('s1', '10.0.0.66'), tombstoneOf('eu', aService('s2')));
    await expect.poll(() => paused.heldIn('derived'), POLL).toBeGreaterThan(0);
    const other = await replica(log);
    await expect.poll(() => other.partitions(), POLL).toBe(64);
    // What the paused one knew is no longer true.
    await append(log, address('s1', '10.0.0.77'), upsertOf('eu', aService('s2')));
    await watermarkAtEnd(log);
    const before = contents((await derivedState(log)).documents);
    paused.letGo();
    // It joins again, and takes its share.
    await expect.poll(() => late.partitions(), POLL).toBe(32);
    await watermarkAtEnd(log);
    const after = contents((await derivedState(log)).documents);
    expect(after).toEqual(before);
    expect(after).toEqual(await oracle(log));
    watched.check();
    // The other one has derived it once, on the way to what is true now.
    expect(watched.messages.filter(({ data }) => data?.includes('10.0.0.66')).length).toBeLessThan(2);
  });

  test('and whose last word nobody has contradicted is refused as well', async () => {
    const log = openLog();
    await fill(log);
    const paused = new HeldBackLog(log);
    const late = await replica(paused.log);
    await expect.poll(() => late.partitions(), POLL).toBe(64);
    await watermarkAtEnd(log);
    const watched = watch(log);
    paused.hold();
    await append(log, ...REVERTED.map((name) => address(name, '10.0.0.88')));
    await expect.poll(() => paused.heldIn('derived'), POLL).toBeGreaterThan(0);
    // As it was before: the next owner finds published what it derives, and has no reason of its own to write.
    await append(log, ...REVERTED.map((name) => address(name, '10.0.0.1')));
    const other = await replica(log);
    await expect.poll(() => other.partitions(), POLL).toBe(64);
    paused.letGo();
    await expect.poll(() => late.partitions(), POLL).toBe(32);
    await watermarkAtEnd(log);
    expect(watched.messages.filter(({ data }) => data?.includes('10.0.0.88'))).toEqual([]);
  });

  test('and whose reservation arrives late has reserved nothing', async () => {
    const log = openLog();
    await fill(log);
    const paused = new HeldBackLog(log);
    const late = await replica(paused.log);
    await expect.poll(() => late.partitions(), POLL).toBe(64);
    await watermarkAtEnd(log);
    paused.hold();
    await append(log, upsertOf('eu', aService('new')));
    await expect.poll(() => paused.heldIn('derived'), POLL).toBeGreaterThan(0);
    await append(log, tombstoneOf('eu', aService('new')));
    const other = await replica(log);
    await expect.poll(() => other.partitions(), POLL).toBe(64);
    await watermarkAtEnd(log);
    paused.letGo();
    await expect.poll(() => late.partitions(), POLL).toBe(32);
    await watermarkAtEnd(log);
    expect(Object.keys((await derivedState(log)).documents)).not.toContain('dns eu/shop/new');
  });
});
