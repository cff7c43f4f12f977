import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAYERS, type LogObject, type ServiceKey } from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import {
  type Change,
  documentAt,
  listDocuments,
  listObjects,
  listRevisions,
  type Store,
  slicesOfService,
  sourceStatuses,
  stateRevision,
} from '@signalbox/store';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  aCluster,
  aPlan,
  aService,
  aSlice,
  derive,
  openWorld,
  put,
  putDerivedService,
  remove,
  report,
  type World,
  watermark,
  withdraw,
} from './world.ts';

const WEB: ServiceKey = { cluster: 'c1', namespace: 'shop', name: 'web' };
const LIMIT = 1_000;

describe('history', () => {
  test('the objects at every revision that was read are those that the log up to there leaves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anEdit, { minLength: 1, maxLength: 40 }), async (edits) => {
        await using world = await openWorld();
        const live = new Map<string, string>();
        const expected = new Map<number, string[]>();
        for (const [index, edit] of edits.entries()) {
          const revision = await applyEdit(world.log, edit);
          if (edit.isRemoved) live.delete(edit.name);
          else live.set(edit.name, edit.value);
          // The log forgets what is replaced before it is read, so only what was read has a history.
          if (!edit.isReadAtOnce && index < edits.length - 1) continue;
          await world.projector.processAll();
          expected.set(revision, textOf(live));
        }
        for (const [revision, names] of expected) expect(servicesAt(world.store, revision)).toEqual(names);
      }),
      { numRuns: 60 },
    );
  });

  test('the documents at every watermark are those that the derived stream held when it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { minLength: 1, maxLength: 40 }), async (steps) => {
        await using world = await openWorld();
        const expected = await applySteps(world, steps);
        for (const [revision, plans] of expected) expect(plansAt(world.store, revision)).toEqual(textOf(plans));
      }),
      { numRuns: 60 },
    );
  });

  test('an object, its slices and its revisions are told apart by partition while a slice moves', async () => {
    await using world = await openWorld();
    const before = await put(world.log, 'c1', aSlice('moving', 'web'));
    const after = await put(world.log, 'c1', aSlice('moving', 'api'));
    await remove(world.log, 'c1', aSlice('moving', 'web'));
    await world.projector.processAll();
    const slicesOf = (name: string, at: number) =>
      slicesOfService(world.store, { ...WEB, name }, at).map(({ key }) => key.name);
    expect([slicesOf('web', before), slicesOf('api', before)]).toEqual([['moving'], []]);
    expect([slicesOf('web', after + 1), slicesOf('api', after + 1)]).toEqual([[], ['moving']]);
  });

  test('revisions tell what happened', async () => {
    await using world = await openWorld();
    await put(world.log, 'c1', aService('web'));
    await put(world.log, 'c1', aService('web', { labels: { tier: 'front' } }));
    await remove(world.log, 'c1', aService('web'));
    await world.projector.processAll();
    const revisions = listRevisions(world.store, { upTo: 3, limit: 10 });
    expect(revisions.map(({ revision, operation, name }) => [revision, operation, name])).toEqual([
      [3, 'deleted', 'web'],
      [2, 'updated', 'web'],
      [1, 'created', 'web'],
    ]);
  });
});

describe('the revision that is answered for', () => {
  test('is the lowest watermark, and undefined while a layer has none', async () => {
    await using world = await openWorld();
    const revision = await put(world.log, 'c1', aService('web'));
    await watermark(world.log, revision, { layers: ['proxy', 'dns'] });
    await world.projector.processAll();
    expect(stateRevision(world.store)).toMatchObject({
      revision: undefined,
      missing: ['the lb layer has not derived anything yet'],
    });
    await watermark(world.log, 0, { layers: ['lb'] });
    await world.projector.processAll();
    expect(stateRevision(world.store).revision).toBe(0);
    await watermark(world.log, revision, { layers: ['lb'] });
    await world.projector.processAll();
    expect(stateRevision(world.store).revision).toBe(revision);
  });

  test('never goes back, and never passes the objects that are stored', async () => {
    await using world = await openWorld();
    const revision = await put(world.log, 'c1', aService('web'));
    await watermark(world.log, revision + 5);
    await world.projector.processAll();
    await watermark(world.log, 0);
    await world.projector.processAll();
    expect(stateRevision(world.store)).toMatchObject({ revision, layers: { proxy: revision + 5 } });
  });
});

describe('a restart', () => {
  test('goes on where the store was, and tells only what is new', async () => {
    await using files = temporaryFolder();
    const log = openSqliteEventLog({ path: ':memory:' });
    const path = join(files.path, 'store.db');
    const world = await openWorld({ log, path });
    await putDerivedService(log, WEB);
    await world.projector.processAll();
    const position = world.projector.feed.latestId();
    await world[Symbol.asyncDispose]();
    const revision = await put(log, 'c1', aService('api'));

    await using again = await openWorld({ log, path });
    expect(again.projector.stats().messages).toEqual({ objects: 1, derived: 0, targets: 0, status: 0 });
    expect(again.projector.feed.after(position, LIMIT)?.map(brief)).toEqual([`object created api ${revision}`]);
    expect(servicesAt(again.store, revision)).toEqual(['api=', 'web=']);
    expect(documentAt(again.store, { layer: 'proxy', key: WEB, revision })?.document).toEqual(aPlan(WEB));
    await log.close();
  });

  test('with another log rebuilds everything from that log', async () => {
    await using files = temporaryFolder();
    const path = join(files.path, 'store.db');
    const first = await openWorld({ path });
    await putDerivedService(first.log, WEB);
    await first.projector.processAll();
    const position = first.projector.feed.latestId();
    await first[Symbol.asyncDispose]();

    const other = openSqliteEventLog({ path: ':memory:' });
    await putDerivedService(other, { ...WEB, name: 'api' });
    await using second = await openWorld({ log: other, path });
    const { revision } = stateRevision(second.store);
    expect(servicesAt(second.store, revision ?? 0)).toEqual(['api=']);
    expect(listDocuments(second.store, { layer: 'dns', revision: revision ?? 0, limit: LIMIT })).toHaveLength(1);
    expect(second.projector.feed.after(position, LIMIT)).toBeUndefined();
    await other.close();
  });

  test('after what it missed was compacted away ends in the state of the log', async () => {
    await using files = temporaryFolder();
    const log = openSqliteEventLog({ path: ':memory:' });
    const path = join(files.path, 'store.db');
    const world = await openWorld({ log, path });
    await putDerivedService(log, WEB);
    const kept = await putDerivedService(log, { ...WEB, name: 'kept' });
    await world.projector.processAll();
    await world[Symbol.asyncDispose]();

    await remove(log, 'c1', aService('web'));
    const revision = await remove(log, 'c1', aSlice('web-1', 'web'));
    for (const layer of LAYERS) await withdraw(log, layer, WEB);
    await watermark(log, revision);
    const later = Date.now() + 60_000;
    for (const stream of ['objects', 'derived'] as const) await log.compact(stream, { storedBeforeMs: later });

    await using again = await openWorld({ log, path });
    expect(stateRevision(again.store)).toMatchObject({ revision, horizon: revision });
    expect(kept).toBeLessThan(revision);
    expect(servicesAt(again.store, revision)).toEqual(['kept=']);
    for (const layer of LAYERS) {
      const names = listDocuments(again.store, { layer, revision, limit: LIMIT }).map(({ key }) => key.name);
      expect(names).toEqual(['kept']);
    }
    await log.close();
  });

  test('from nothing knows no history from before, and says so', async () => {
    const log = openSqliteEventLog({ path: ':memory:' });
    await putDerivedService(log, WEB);
    const revision = await putDerivedService(log, WEB, '10.244.1.6');
    await using world = await openWorld({ log });
    expect(stateRevision(world.store)).toMatchObject({ revision, horizon: revision });
    expect(plansAt(world.store, revision)).toEqual(['web=10.244.1.6']);
    await log.close();
  });
});

test('a message that cannot be read is counted, and the rest goes on', async () => {
  await using world = await openWorld();
  await world.log.append('objects', { subject: 'objects.nonsense', data: '{}' });
  await world.log.append('derived', { subject: 'derived.proxy.p1.c1.shop.web', data: 'not JSON' });
  await world.log.append('derived', { subject: 'watermarks.dns', data: '{"layer":"dns"}' });
  const revision = await put(world.log, 'c1', aService('web'));
  await world.projector.processAll();
  expect(world.projector.stats()).toMatchObject({ dropped: 3 });
  expect(servicesAt(world.store, revision)).toEqual(['web=']);
});

test('the last status of each source is kept, without repeats', async () => {
  await using world = await openWorld();
  await put(world.log, 'c1', aCluster('c1'));
  await report(world.log, { cluster: 'c1', state: 'syncing' });
  await report(world.log, { cluster: 'c1', state: 'watching' });
  await report(world.log, { cluster: 'c1', state: 'watching' });
  await world.projector.processAll();
  expect(sourceStatuses(world.store).map(({ state }) => state)).toEqual(['watching']);
  const epoch = world.projector.feed.latestId().split('-')[0] ?? '';
  const events = world.projector.feed.after(`${epoch}-${firstNumber(world.store)}`, LIMIT) ?? [];
  expect(events.filter(({ event }) => event === 'status')).toHaveLength(2);
});

const aName = fc.constantFrom('a', 'b', 'c', 'd');
const anEdit = fc.record({
  name: aName,
  value: fc.constantFrom('x', 'y', 'z'),
  isRemoved: fc.boolean(),
  isReadAtOnce: fc.boolean(),
});
type Edit = typeof anEdit extends fc.Arbitrary<infer Value> ? Value : never;

/** `ahead` 0 is a correction: what was derived already is derived again, with another outcome. */
const aStep = fc.oneof(
  fc.record({ do: fc.constant('derive' as const), name: aName, ahead: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('withdraw' as const), name: aName }),
  fc.record({ do: fc.constant('watermark' as const), by: fc.integer({ min: 0, max: 3 }) }),
);
type Step = typeof aStep extends fc.Arbitrary<infer Value> ? Value : never;

function applyEdit(log: EventLog, { name, value, isRemoved }: Edit): Promise<number> {
  const service: LogObject = aService(name, { labels: { value } });
  return isRemoved ? remove(log, 'c1', service) : put(log, 'c1', service);
}

/** Writes the steps, and returns what each watermark has to show: name → address of its plan. */
async function applySteps(
  { log, projector }: World,
  steps: readonly Step[],
): Promise<Map<number, Map<string, string>>> {
  const live = new Map<string, string>();
  const expected = new Map<number, Map<string, string>>([[0, new Map()]]);
  const ahead = new Set<string>();
  let [revision, derivedTo] = [0, 0];
  const writeWatermark = async (by: number): Promise<void> => {
    const before = revision;
    revision = Math.max(revision + by, derivedTo);
    await watermark(log, revision, { layers: ['proxy'] });
    await projector.processAll();
    // Said again: what was withdrawn meanwhile was answered for already.
    if (revision === before) return;
    expected.set(revision, new Map(live));
    ahead.clear();
  };
  for (const [index, step] of steps.entries()) {
    if (step.do === 'watermark') {
      await writeWatermark(step.by);
      continue;
    }
    const key = { ...WEB, name: step.name };
    if (step.do === 'withdraw') {
      live.delete(step.name);
      await withdraw(log, 'proxy', key);
      await projector.processAll();
      continue;
    }
    const address = `10.0.0.${index}`;
    live.set(step.name, address);
    if (step.ahead > 0) ahead.add(step.name);
    else if (!ahead.has(step.name)) expected.get(revision)?.set(step.name, address);
    derivedTo = Math.max(derivedTo, revision + step.ahead);
    await derive(log, 'proxy', { key, revision: revision + step.ahead, document: aPlan(key, address) });
    await projector.processAll();
  }
  await writeWatermark(1);
  return expected;
}

function servicesAt(store: Store, revision: number): string[] {
  return listObjects(store, { kind: 'Service', revision, limit: LIMIT }).map(
    ({ key, object }) => `${key.name}=${object.metadata.labels?.value ?? ''}`,
  );
}

function plansAt(store: Store, revision: number): string[] {
  return listDocuments(store, { layer: 'proxy', revision, limit: LIMIT }).map(
    ({ key, document }) => `${key.name}=${document?.ports[0]?.endpoints[0]?.address}`,
  );
}

function textOf(live: ReadonlyMap<string, string>): string[] {
  return [...live].map(([name, value]) => `${name}=${value}`).sort();
}

function brief({ event, data }: Change): string {
  const { operation, name, revision } = JSON.parse(data) as { operation: string; name: string; revision: number };
  return [event, operation, name, revision].join(' ');
}

function firstNumber(store: Store): number {
  return store.first(store.builder.selectFrom('changes').select('id').orderBy('id').limit(1))?.id ?? 0;
}

function temporaryFolder(): AsyncDisposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), 'signalbox-projector-'));
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }) };
}
