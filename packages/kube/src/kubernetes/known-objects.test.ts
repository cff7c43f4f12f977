import { expect, test } from 'vitest';
import { KnownObjects } from './known-objects.ts';
import type { ReadObject } from './read-object.ts';

const IDENTITY = { namespace: 'shop', name: 'web' };

function upsert(resourceVersion: string): ReadObject {
  const object = { kind: 'Namespace' as const, metadata: { name: 'web' } };
  return { type: 'object', identity: IDENTITY, value: { resourceVersion, changedAtMs: 0, object } };
}

function deletion(resourceVersion: string) {
  return { type: 'deleted' as const, identity: IDENTITY, resourceVersion };
}

test.for([
  { name: 'newer', known: '9', event: upsert('10'), isTaken: true },
  { name: 'newer, a decimal digit more', known: '999', event: upsert('1000'), isTaken: true },
  { name: 'the same', known: '10', event: upsert('10'), isTaken: false },
  { name: 'older', known: '10', event: upsert('9'), isTaken: false },
  { name: 'older deletion', known: '10', event: deletion('9'), isTaken: false },
  { name: 'newer deletion', known: '10', event: deletion('11'), isTaken: true },
  { name: 'a version that is no number', known: '10', event: upsert('abc'), isTaken: true },
  { name: 'a number after a version that is none', known: 'abc', event: upsert('1'), isTaken: true },
  { name: 'no version at all', known: '10', event: upsert(''), isTaken: true },
])('$name', ({ known, event, isTaken }) => {
  const objects = new KnownObjects('Namespace');
  objects.take(upsert(known));
  expect(objects.take(event) !== undefined).toBe(isTaken);
});

test('a late event does not bring back what was deleted, a new object of that name does', () => {
  const objects = new KnownObjects('Namespace');
  objects.take(upsert('5'));
  objects.take(deletion('7'));
  expect(objects.take(upsert('6'))).toBeUndefined();
  expect(objects.count).toBe(0);
  expect(objects.take(upsert('8'))).toMatchObject({ type: 'upsert' });
  expect(objects.count).toBe(1);
});

test('the memory of deletions is bounded', () => {
  const objects = new KnownObjects('Namespace');
  objects.take(deletion('7'));
  for (let index = 0; index < 1024; index += 1) {
    objects.take({ type: 'deleted', identity: { namespace: 'shop', name: `other-${index}` }, resourceVersion: '8' });
  }
  expect(objects.take(upsert('6'))).toBeDefined();
});
