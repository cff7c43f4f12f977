import { LAYERS } from '@signalbox/contracts';
import { beforeEach, expect, test } from 'vitest';
import { openStore } from './open-store.ts';
import { writePosition } from './positions.ts';
import { type HistoryRetention, pruneHistory } from './retention.ts';
import { stateRevision } from './state-revision.ts';
import type { Store } from './store.ts';
import { derivedWriter } from './write-documents.ts';
import { objectWriter } from './write-objects.ts';

const REVISIONS = 100;
const FOREVER: HistoryRetention = { maxRevisions: 1_000_000, maxAgeMs: 1_000_000_000 };

let store: Store;
/** One object that changes at every revision; revision n comes at n seconds. */
beforeEach(async () => {
  store = await openStore({ path: ':memory:' });
  const objects = objectWriter(store);
  for (let sequence = 1; sequence <= REVISIONS; sequence += 1) {
    const message = { subject: 'objects.p1.Service.c1.shop.web', sequence, storedAtMs: sequence * 1_000, data: '{}' };
    objects.apply(message, sequence - 1);
  }
  writePosition(store, { stream: 'objects', logId: 'log', sequence: REVISIONS });
  return () => store.close();
});

function setWatermarks(revision: number): void {
  const writer = derivedWriter(store);
  for (const layer of LAYERS) {
    const data = JSON.stringify({ layer, revision, clusters: {}, skippedServices: 0 });
    writer.apply({ subject: `watermarks.${layer}`, sequence: 1, storedAtMs: 0, data });
  }
}

function pruneAll(retention: HistoryRetention, nowMs = 0, limit = 7): number {
  let steps = 0;
  while (pruneHistory(store, retention, { nowMs, limit }) > 0) steps += 1;
  return steps;
}

function count(table: 'object_versions' | 'contents' | 'revisions'): number {
  return store.all(store.builder.selectFrom(table).select((eb) => eb.lit(1).as('one'))).length;
}

test('keeps the given number of revisions, and the state at each of them', () => {
  setWatermarks(REVISIONS);
  const steps = pruneAll({ ...FOREVER, maxRevisions: 10 });
  expect(stateRevision(store)).toMatchObject({ revision: REVISIONS, horizon: 90 });
  expect([count('object_versions'), count('contents'), count('revisions')]).toEqual([11, 11, 11]);
  expect(steps).toBeGreaterThan(10);
});

test('forgets what is older than the given age', () => {
  setWatermarks(REVISIONS);
  pruneAll({ ...FOREVER, maxAgeMs: 20_000 }, REVISIONS * 1_000);
  expect(stateRevision(store).horizon).toBe(79);
});

test('keeps the revision that is answered for, however short the retention', () => {
  setWatermarks(30);
  pruneAll({ maxRevisions: 1, maxAgeMs: 0 }, 1_000_000);
  expect(stateRevision(store)).toMatchObject({ revision: 30, horizon: 30 });
});

test('keeps everything while nothing has been derived, up to a bound', () => {
  pruneAll({ ...FOREVER, maxRevisions: 10 });
  expect(count('object_versions')).toBe(REVISIONS);
  writePosition(store, { stream: 'objects', logId: 'log', sequence: 1_000_000 });
  pruneAll({ ...FOREVER, maxRevisions: 10 });
  expect(stateRevision(store)).toMatchObject({ revision: undefined, horizon: 499_990 });
  expect(count('object_versions')).toBe(1);
});

test('uses the index of closed versions', () => {
  const plan = store.sqlite
    .prepare(
      'explain query plan delete from object_versions where to_revision <= 5 and to_revision < 9007199254740991 order by to_revision limit 7',
    )
    .all();
  expect(JSON.stringify(plan)).toContain('object_versions_closed');
});
