import { beforeEach, expect, test } from 'vitest';
import { openStore } from './open-store.ts';
import { objectAt } from './queries/index.ts';
import type { Store } from './store.ts';
import { objectWriter } from './write-objects.ts';

const KEY = { kind: 'Service', cluster: 'c1', namespace: 'shop', name: 'web' } as const;
const message = (sequence: number, data: string | null) => {
  return { subject: 'objects.p1.Service.c1.shop.web', sequence, storedAtMs: sequence, data };
};

let store: Store;
beforeEach(async () => {
  store = await openStore({ path: ':memory:' });
  return () => store.close();
});

test('of what is read late, the last counts from the first revision that was missed', () => {
  const writer = objectWriter(store);
  writer.apply(message(3, '{"object":1}'), 2);
  // Before 7 and 9 came, nothing after 3 had been read whole.
  for (const [sequence, data] of [
    [7, '{"object":2}'],
    [8, null],
    [9, '{"object":3}'],
  ] as const) {
    writer.apply(message(sequence, data), 3);
  }
  const found = [3, 4, 9].map((revision) => objectAt(store, KEY, revision));
  expect(found.map((each) => [each?.revision, each?.object])).toEqual([
    [3, 1],
    [9, 3],
    [9, 3],
  ]);
  expect(store.sqlite.prepare('select count(*) from contents').pluck().get()).toBe(2);
});
