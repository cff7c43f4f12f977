import {
  ALL_SOURCE_KINDS,
  type ClusterObject,
  type LogObject,
  type ObjectMessage,
  parseObjectSubject,
  SOURCE_KINDS,
  type SourceKind,
  type SourceState,
  type SourceStatus,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import type { SourceObject } from '@signalbox/kube';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { snapshot } from '../../../test/harness/derived.ts';
import { aNode, aService, aSlice } from '../../../test/harness/objects.ts';
import { ClusterPublisher } from './cluster-publisher.ts';

const logs: EventLog[] = [];
const logger = createLogger({ component: 'test', level: 'silent' });

afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
});

function openLog(): EventLog {
  const log = openSqliteEventLog({ path: ':memory:' });
  logs.push(log);
  return log;
}

async function openPublisher(
  log: EventLog,
  domain = 'cluster.local',
  kinds: readonly SourceKind[] = SOURCE_KINDS,
): Promise<ClusterPublisher> {
  const source = { cluster: 'eu', domain, kinds, type: 'manifests' as const };
  const publisher = new ClusterPublisher({ log, logger, registry: createRegistry() }, source, { onStatus: () => {} });
  await publisher.load();
  return publisher;
}

function asRead(object: SourceObject['object']): SourceObject {
  return { resourceVersion: '', changedAtMs: 1, object };
}

/** Lists every kind, as a source does at its start. */
async function listAll(publisher: ClusterPublisher, objects: readonly SourceObject['object'][]): Promise<void> {
  for (const kind of SOURCE_KINDS) {
    await publisher.replace(kind, objects.filter((object) => object.kind === kind).map(asRead));
  }
}

function aStatus(kind: SourceKind, state: SourceState): SourceStatus {
  return { cluster: 'eu', kind, state, message: '', objects: 0, skipped: 0, resourceVersion: '', sinceMs: 0 };
}

async function objectsIn(log: EventLog): Promise<Record<string, LogObject>> {
  const messages = (await snapshot(log, 'objects')).filter(({ data }) => data !== null);
  return Object.fromEntries(
    messages.map(({ subject, data }) => {
      const { kind, namespace, name } = parseObjectSubject(subject);
      return [`${kind} ${namespace}/${name}`, (JSON.parse(data ?? '') as ObjectMessage).object];
    }),
  );
}

const clusterIn = async (log: EventLog): Promise<ClusterObject | undefined> =>
  (await objectsIn(log))['Cluster /eu'] as ClusterObject | undefined;

test('what went while the log was read a second time is not taken for published', async () => {
  const log = openLog();
  await listAll(await openPublisher(log), [aService('web')]);
  const late = await openPublisher(log);
  await (await openPublisher(log)).replace('Service', []);
  await late.load();
  await late.replace('Service', [asRead(aService('web'))]);
  expect(Object.keys(await objectsIn(log))).toContain('Service shop/web');
});

test('Pods are kept for as long as they are asked for', async () => {
  const log = openLog();
  const pod = { kind: 'Pod', metadata: { namespace: 'shop', name: 'web-0' }, status: { podIP: '10.1.2.3' } } as const;
  const withPods = await openPublisher(log, 'cluster.local', ALL_SOURCE_KINDS);
  await listAll(withPods, [aService('web')]);
  expect(await clusterIn(log)).toBeUndefined();
  await withPods.replace('Pod', [asRead(pod)]);
  expect((await clusterIn(log))?.syncedKinds).toEqual(ALL_SOURCE_KINDS);
  expect((await objectsIn(log))['Pod shop/web-0']).toEqual(pod);
  await listAll(await openPublisher(log), [aService('web')]);
  expect(Object.keys(await objectsIn(log)).sort()).toEqual(['Cluster /eu', 'Service shop/web']);
  expect((await clusterIn(log))?.syncedKinds).toEqual(SOURCE_KINDS);
});

describe('a first list', () => {
  test('is in the log before the cluster is declared synced', async () => {
    const log = openLog();
    await listAll(await openPublisher(log), [aService('web'), aSlice('web', ['10.244.1.1']), aNode('node-a')]);
    const kinds = (await snapshot(log, 'objects')).map(({ subject }) => parseObjectSubject(subject).kind);
    expect(kinds).toEqual(['Service', 'EndpointSlice', 'Node', 'Cluster']);
    expect(await clusterIn(log)).toMatchObject({ domain: 'cluster.local', syncedKinds: [...SOURCE_KINDS] });
  });

  test('without one kind declares nothing, until that kind is known to be refused', async () => {
    const log = openLog();
    const publisher = await openPublisher(log);
    for (const kind of ['Service', 'EndpointSlice', 'Namespace'] as const) await publisher.replace(kind, []);
    expect(await clusterIn(log)).toBe(undefined);
    expect(publisher.isSettled).toBe(false);
    publisher.report(aStatus('Node', 'unreachable'));
    expect(publisher.isSettled).toBe(false);
    publisher.report(aStatus('Node', 'forbidden'));
    await expect.poll(() => clusterIn(log)).toMatchObject({ syncedKinds: ['Service', 'EndpointSlice', 'Namespace'] });
    expect(publisher.isSettled).toBe(true);
  });
});

describe('a restart', () => {
  test('with an equal cluster appends nothing', async () => {
    const log = openLog();
    const objects = [aService('web'), aSlice('web', ['10.244.1.1']), aNode('node-a')];
    await listAll(await openPublisher(log), objects);
    const before = await log.info('objects');
    await listAll(await openPublisher(log), objects);
    expect((await log.info('objects')).lastSequence).toBe(before.lastSequence);
  });

  test('appends what changed, and tombstones of what went', async () => {
    const log = openLog();
    await listAll(await openPublisher(log), [aService('web'), aService('db'), aService('gone')]);
    const before = await log.info('objects');
    await listAll(await openPublisher(log), [aService('web'), aService('db', { type: 'NodePort' }), aService('new')]);
    expect((await log.info('objects')).lastSequence).toBe(before.lastSequence + 3);
    expect(Object.keys(await objectsIn(log)).filter((key) => key.startsWith('Service'))).toEqual([
      'Service shop/web',
      'Service shop/db',
      'Service shop/new',
    ]);
  });

  test('keeps the kinds that an earlier run listed while it lists them again', async () => {
    const log = openLog();
    await listAll(await openPublisher(log), [aService('web')]);
    const publisher = await openPublisher(log, 'example.com');
    await publisher.replace('Service', [asRead(aService('web'))]);
    for (const kind of SOURCE_KINDS) if (kind !== 'Service') publisher.report(aStatus(kind, 'forbidden'));
    await expect.poll(() => clusterIn(log)).toMatchObject({ domain: 'example.com', syncedKinds: [...SOURCE_KINDS] });
  });
});

describe('a change', () => {
  test('with equal content appends nothing, whatever its resourceVersion', async () => {
    const log = openLog();
    const publisher = await openPublisher(log);
    await listAll(publisher, [aService('web')]);
    const before = await log.info('objects');
    await publisher.apply([{ type: 'upsert', resourceVersion: '99', changedAtMs: 2, object: aService('web') }]);
    await publisher.apply([{ type: 'delete', kind: 'Service', namespace: 'shop', name: 'unknown' }]);
    expect((await log.info('objects')).lastSequence).toBe(before.lastSequence);
  });

  test('that follows another of the same object in one call decides', async () => {
    const log = openLog();
    const publisher = await openPublisher(log);
    await publisher.apply([
      { type: 'upsert', ...asRead(aService('web')) },
      { type: 'delete', kind: 'Service', namespace: 'shop', name: 'web' },
      { type: 'upsert', ...asRead(aService('db')) },
    ]);
    expect(Object.keys(await objectsIn(log))).toEqual(['Service shop/db']);
  });

  test('of the Service a slice belongs to moves the slice to its new partition', async () => {
    const log = openLog();
    const publisher = await openPublisher(log);
    await publisher.apply([{ type: 'upsert', ...asRead(aSlice('web', ['10.244.1.1'], 'slice')) }]);
    await publisher.apply([{ type: 'upsert', ...asRead(aSlice('other', ['10.244.1.1'], 'slice')) }]);
    const kept = (await snapshot(log, 'objects')).filter(({ data }) => data !== null);
    expect(kept).toHaveLength(1);
    expect(kept[0]?.data).toContain('"kubernetes.io/service-name":"other"');
  });
});

test('a full log is told, until it takes what is waiting', async () => {
  const log = openSqliteEventLog({ path: ':memory:', maxBytes: 4000 });
  logs.push(log);
  const publisher = await openPublisher(log);
  const filler = { subject: 'objects.p1.Service.us.a.b', data: 'x'.repeat(3800) };
  await log.append('objects', filler);
  const listing = listAll(publisher, [aService('web')]);
  await expect.poll(() => publisher.trouble).toContain('full');
  await log.append('objects', { ...filler, data: null });
  await listing;
  expect(publisher.trouble).toBe('');
});

test('stopping ends a wait for a log that is away', async () => {
  const log = openLog();
  const publisher = await openPublisher(log);
  await log.close();
  const replacing = publisher.replace('Service', [asRead(aService('web'))]);
  publisher.stop();
  await expect(replacing).rejects.toThrow();
});

test('whatever a source tells, in whatever pieces, the log ends equal to the last list', async () => {
  const objects = [
    aService('web'),
    aService('db'),
    aService('web', { type: 'NodePort' }),
    aSlice('web', ['10.1.1.1'], 's'),
  ];
  const moved = [aSlice('db', ['10.1.1.1'], 's'), aSlice('web', ['10.1.1.2'], 's')];
  const object = fc.constantFrom<SourceObject['object']>(...objects, ...moved);
  const step = fc.oneof(
    fc.record({ type: fc.constant('apply' as const), upserts: fc.array(object, { maxLength: 3 }) }),
    fc.record({ type: fc.constant('delete' as const), object }),
    fc.record({ type: fc.constant('restart' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      fc.uniqueArray(object, { selector: idOf }),
      async (steps, last) => {
        const log = openSqliteEventLog({ path: ':memory:' });
        let publisher = await openPublisher(log);
        for (const each of steps) {
          if (each.type === 'restart') publisher = await openPublisher(log);
          else if (each.type === 'apply') {
            await publisher.apply(each.upserts.map((item) => ({ type: 'upsert', ...asRead(item) })));
          } else {
            const { kind, metadata } = each.object;
            const namespace = 'namespace' in metadata ? metadata.namespace : '';
            await publisher.apply([{ type: 'delete', kind, namespace, name: metadata.name }]);
          }
        }
        await listAll(publisher, last);
        const { 'Cluster /eu': cluster, ...found } = await objectsIn(log);
        expect(cluster).toBeDefined();
        expect(found).toEqual(Object.fromEntries(last.map((item) => [idOf(item), item])));
        await log.close();
      },
    ),
    { numRuns: 100 },
  );
});

function idOf({ kind, metadata }: SourceObject['object']): string {
  return `${kind} ${'namespace' in metadata ? metadata.namespace : ''}/${metadata.name}`;
}
