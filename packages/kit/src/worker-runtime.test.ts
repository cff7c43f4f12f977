import type { Derivation, RecordSet, ServiceView } from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import { type AppendEntry, type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { derivedState, snapshot } from '../../../test/harness/derived.ts';
import { aCluster, aNode, aService, aSlice, tombstoneOf, upsertOf } from '../../../test/harness/objects.ts';
import { createLogger } from './logger.ts';
import { createRegistry } from './metrics.ts';
import { defineWorker, type WorkerDefinition } from './worker.ts';
import { type RunningWorkers, startWorkers, type WorkerOptions } from './worker-runtime.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const opened: { close?: () => Promise<void>; stop?: () => Promise<void> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await (each.stop?.() ?? each.close?.());
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  opened.push(log);
  return log;
}

async function run(log: EventLog, worker: WorkerDefinition<'dns'>, options?: WorkerOptions): Promise<RunningWorkers> {
  const workers = await startWorkers({ log, logger, registry: createRegistry() }, [worker], options);
  opened.push(workers);
  await workers.processAll();
  return workers;
}

/** Counts what it derives; a record per endpoint address, so that documents differ when endpoints do. */
function countingWorker(parts: Partial<WorkerDefinition<'dns'>> = {}) {
  const derived: string[] = [];
  const worker = defineWorker<'dns'>({
    name: 'test-worker',
    layer: 'dns',
    reads: ['Service', 'EndpointSlice'],
    derive: (view) => {
      derived.push(view.service.metadata.name);
      return addressesOf(view);
    },
    ...parts,
  });
  return { worker, derived };
}

function addressesOf({ cluster, service, slices, nodes }: ServiceView): Derivation<RecordSet> {
  const { namespace, name } = service.metadata;
  const addresses = slices.flatMap((slice) => slice.endpoints.flatMap((endpoint) => endpoint.addresses));
  const all = [...addresses, ...nodes.map((node) => node.metadata.name)];
  const records = all.map((address) => ({ name, ttlSeconds: 30, type: 'A' as const, address }));
  return { document: { cluster: cluster.name, namespace, name, records }, skipped: [] };
}

const recordsOf = async (log: EventLog, service: string): Promise<string[] | undefined> => {
  const { documents } = await derivedState(log);
  const document = documents[`dns eu/shop/${service}`]?.document as RecordSet | undefined;
  return document?.records.map((record) => ('address' in record ? record.address : ''));
};

const append = (log: EventLog, ...entries: AppendEntry[]): Promise<number[]> => log.appendAll('objects', entries);

describe('deriving', () => {
  test('publishes a document per service, then the watermark that covers it', async () => {
    const log = openLog();
    const objects = [aService('web'), aSlice('web', ['10.244.1.1']), aCluster('eu')];
    await append(log, ...objects.map((object) => upsertOf('eu', object)));
    await run(log, countingWorker().worker);
    expect(await recordsOf(log, 'web')).toEqual(['10.244.1.1']);
    const { documents, watermarks } = await derivedState(log);
    expect(documents['dns eu/shop/web']).toMatchObject({ revision: 3, skipped: [] });
    expect(watermarks.dns).toEqual({
      layer: 'dns',
      revision: 3,
      clusters: { eu: { domain: 'cluster.local' } },
      skippedServices: 0,
    });
    const subjects = (await snapshot(log, 'derived')).map((message) => message.subject.split('.')[0]);
    expect(subjects).toEqual(['derived', 'watermarks']);
  });

  test('touches only what changed', async () => {
    const log = openLog();
    const objects = [aCluster('eu'), aService('web'), aService('db'), aSlice('web', ['10.244.1.1'])];
    await append(log, ...objects.map((object) => upsertOf('eu', object)));
    const { worker, derived } = countingWorker();
    const workers = await run(log, worker);
    derived.length = 0;
    await append(log, upsertOf('eu', aSlice('web', ['10.244.1.2'])));
    await workers.processAll();
    expect(derived).toEqual(['web']);
    expect(await recordsOf(log, 'web')).toEqual(['10.244.1.2']);
  });

  test('publishes nothing but the watermark when the content stays', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
    const workers = await run(log, countingWorker().worker);
    const { lastSequence } = await log.info('derived');
    await append(log, upsertOf('eu', aService('web', {}, { labels: { a: 'b' } })));
    await workers.processAll();
    const after = await log.info('derived');
    expect(after.lastSequence).toBe(lastSequence + 1);
    expect((await derivedState(log)).watermarks.dns?.revision).toBe(3);
  });

  test('withdraws the document of a deleted service', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
    const workers = await run(log, countingWorker().worker);
    await append(log, tombstoneOf('eu', aService('web')));
    await workers.processAll();
    expect(await recordsOf(log, 'web')).toBe(undefined);
  });

  test('derives again for a node only the services that use nodes', async () => {
    const log = openLog();
    const balanced = aService('web', { type: 'LoadBalancer' });
    await append(log, ...[aCluster('eu'), balanced, aService('db')].map((object) => upsertOf('eu', object)));
    const { worker, derived } = countingWorker({
      reads: ['Service', 'Node'],
      usesNodes: (service) => service.spec.type === 'LoadBalancer',
    });
    const workers = await run(log, worker);
    derived.length = 0;
    await append(log, upsertOf('eu', aNode('node-a')));
    await workers.processAll();
    expect(derived).toEqual(['web']);
    expect(await recordsOf(log, 'web')).toEqual(['node-a']);
  });
});

describe('partial truth', () => {
  test('nothing is derived for a cluster before it has synced what the worker reads', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aService('web')), upsertOf('eu', aCluster('eu', { syncedKinds: ['Service'] })));
    const workers = await run(log, countingWorker().worker);
    const before = await derivedState(log);
    expect(before.documents).toEqual({});
    expect(before.watermarks.dns).toMatchObject({ revision: 2, clusters: {} });
    await append(log, upsertOf('eu', aCluster('eu')));
    await workers.processAll();
    expect(await recordsOf(log, 'web')).toEqual([]);
  });

  test('what was derived for a cluster goes when the cluster is forgotten', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
    const workers = await run(log, countingWorker().worker);
    await append(log, tombstoneOf('eu', aCluster('eu')));
    await workers.processAll();
    expect(await recordsOf(log, 'web')).toBe(undefined);
    expect((await derivedState(log)).watermarks.dns?.clusters).toEqual({});
  });
});

describe('a restart', () => {
  test('with nothing changed publishes nothing', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
    const first = await run(log, countingWorker().worker);
    await first.stop();
    const { lastSequence } = await log.info('derived');
    await run(log, countingWorker().worker);
    expect((await log.info('derived')).lastSequence).toBe(lastSequence);
  });

  test('removes the documents of what went meanwhile', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')), upsertOf('eu', aService('db')));
    const first = await run(log, countingWorker().worker);
    await first.stop();
    await append(log, tombstoneOf('eu', aService('web')));
    await log.compact('objects', { storedBeforeMs: Date.now() + 1000 });
    await run(log, countingWorker().worker);
    expect(Object.keys((await derivedState(log)).documents)).toEqual(['dns eu/shop/db']);
  });

  test('takes no revision back when a slice went meanwhile, whose Service its tombstone does not name', async () => {
    const log = openLog();
    const gone = aSlice('web', ['10.244.1.2'], 'web-2');
    const objects = [aCluster('eu'), aService('web'), aSlice('web', ['10.244.1.1']), gone];
    await append(log, ...objects.map((object) => upsertOf('eu', object)));
    await (await run(log, countingWorker().worker)).stop();
    const [removed] = await append(log, tombstoneOf('eu', gone));
    await run(log, countingWorker().worker);
    const { documents } = await derivedState(log);
    expect(await recordsOf(log, 'web')).toEqual(['10.244.1.1']);
    expect(documents['dns eu/shop/web']?.revision).toBe(removed);
  });
});

test('a log that expires while it is followed is replayed, and what went meanwhile is withdrawn', async () => {
  const log = openLog();
  const web = aService('web');
  await append(log, ...[aCluster('eu'), web, aSlice('web', ['10.244.1.1'])].map((object) => upsertOf('eu', object)));
  const workers = await run(log, countingWorker().worker);
  // In one turn of the event loop, so that the tombstone is compacted away before the worker reads on.
  await Promise.all([
    append(log, tombstoneOf('eu', web)),
    log.compact('objects', { storedBeforeMs: Date.now() + 1 }),
    append(log, upsertOf('eu', aService('db')), upsertOf('eu', aSlice('db', ['10.244.1.2']))),
  ]);
  await workers.processAll();
  expect(await recordsOf(log, 'web')).toBeUndefined();
  expect(await recordsOf(log, 'db')).toEqual(['10.244.1.2']);
  expect(workers.readiness()).toEqual({ isReady: true, reason: '' });
});

describe('what is bad', () => {
  test('an unreadable message is left out, the rest is derived', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), { subject: 'objects.p1.Service.eu.shop.bad', data: '{' });
    await append(log, { subject: 'objects.what', data: '{}' }, upsertOf('eu', aService('web')));
    await run(log, countingWorker().worker);
    expect(await recordsOf(log, 'web')).toEqual([]);
  });

  test('a derivation that throws leaves the last good document, is counted, and stops nobody', async () => {
    const log = openLog();
    await append(log, ...[aCluster('eu'), aService('web'), aService('db')].map((object) => upsertOf('eu', object)));
    const { worker } = countingWorker({
      derive: (view) => {
        if (view.slices.length > 0 && view.service.metadata.name === 'web') throw new SignalboxError('internal', 'bug');
        return addressesOf(view);
      },
    });
    const workers = await run(log, worker);
    await append(log, upsertOf('eu', aSlice('web', ['10.244.1.1'])), upsertOf('eu', aSlice('db', ['10.244.1.2'])));
    await workers.processAll();
    expect(await recordsOf(log, 'web')).toEqual([]);
    expect(await recordsOf(log, 'db')).toEqual(['10.244.1.2']);
    expect((await derivedState(log)).watermarks.dns?.skippedServices).toBe(1);
  });

  test('a service of which all is left out is told about, without a document', async () => {
    const log = openLog();
    await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
    const skipped = [{ path: 'spec.clusterIPs[0]', reason: 'not an address' }];
    await run(log, countingWorker({ derive: () => ({ document: undefined, skipped }) }).worker);
    expect((await derivedState(log)).documents['dns eu/shop/web']).toMatchObject({ document: null, skipped });
  });
});

test('the full check puts back what was lost from the log', async () => {
  const log = openLog();
  await append(log, upsertOf('eu', aCluster('eu')), upsertOf('eu', aService('web')));
  const { worker, derived } = countingWorker();
  await run(log, worker, { fullCheckIntervalMs: 5 });
  const [document] = await snapshot(log, 'derived');
  if (document === undefined) throw new Error('nothing was derived');
  derived.length = 0;
  await log.append('derived', { subject: document.subject, data: null });
  await expect.poll(() => recordsOf(log, 'web')).toEqual([]);
  expect(derived.length).toBeGreaterThan(0);
});

test('after any history the documents equal those derived from a fresh list', async () => {
  const names = ['web', 'db', 'api'];
  const change = fc.oneof(
    fc.record({ type: fc.constant('service' as const), name: fc.constantFrom(...names), isDeleted: fc.boolean() }),
    fc.record({
      type: fc.constant('slice' as const),
      name: fc.constantFrom(...names),
      isDeleted: fc.boolean(),
      address: fc.integer({ min: 1, max: 9 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 6 }), async (batches) => {
      const log = openSqliteEventLog({ path: ':memory:' });
      const context = { log, logger, registry: createRegistry() };
      const workers = await startWorkers(context, [countingWorker().worker]);
      await append(log, upsertOf('eu', aCluster('eu')));
      for (const [index, batch] of batches.entries()) {
        const objects = batch.map((each) => ({
          isDeleted: each.isDeleted,
          object: each.type === 'service' ? aService(each.name) : aSlice(each.name, [`10.244.1.${each.address}`]),
        }));
        const entries = objects.map(({ isDeleted, object }) => (isDeleted ? tombstoneOf : upsertOf)('eu', object));
        if (entries.length > 0) await append(log, ...entries);
        if (index % 2 === 0) await workers.processAll();
      }
      await workers.processAll();
      const found = await derivedState(log);
      await workers.stop();
      const fresh = openSqliteEventLog({ path: ':memory:' });
      const state = (await snapshot(log, 'objects')).filter((message) => message.data !== null);
      await append(fresh, ...state.map(({ subject, data }) => ({ subject, data })));
      const oracle = await startWorkers({ ...context, log: fresh }, [countingWorker().worker]);
      await oracle.processAll();
      expect(contents(found)).toEqual(contents(await derivedState(fresh)));
      await oracle.stop();
      await Promise.all([log.close(), fresh.close()]);
    }),
    { numRuns: 50 },
  );
});

function contents({ documents }: Awaited<ReturnType<typeof derivedState>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(documents).map(([key, { document }]) => [key, document]));
}

test('the trace of a change goes on in what is derived of it', async () => {
  const log = openLog();
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  await append(log, upsertOf('eu', aCluster('eu')), { ...upsertOf('eu', aService('web')), headers: { traceparent } });
  await run(log, countingWorker().worker);
  const [document] = await snapshot(log, 'derived');
  expect(document?.headers).toEqual({ traceparent });
  expect(JSON.parse(document?.data ?? '')).not.toHaveProperty('traceparent');
});
