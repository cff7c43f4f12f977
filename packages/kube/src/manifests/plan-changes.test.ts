import { namespaceObjectSchema, serviceObjectSchema } from '@signalbox/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SourceObject } from '../source.ts';
import { refKey } from './manifest-problem.ts';
import { planChanges } from './plan-changes.ts';

type Objects = Map<string, SourceObject['object']>;

const someObjects: fc.Arbitrary<Objects> = fc
  .dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('10.0.0.1', '10.0.0.2'))
  .map(
    (services) =>
      new Map(Object.entries(services).flatMap(([name, address]) => [aService(name, address), aNamespace(name)])),
  );

test('applying a plan gives what was desired; between equals there is none', () => {
  fc.assert(
    fc.property(someObjects, someObjects, (current, desired) => {
      expect(applied(current, desired)).toEqual(desired);
      expect(planChanges(current, new Map(structuredClone([...current])), 0)).toEqual([]);
    }),
  );
});

test('a Namespace comes before what is in it, and goes after it', () => {
  const objects = new Map([aService('a', '10.0.0.1'), aNamespace('a')]);
  const kinds = (from: Objects, to: Objects) =>
    planChanges(from, to, 5).map((change) => [
      change.type,
      change.type === 'delete' ? change.kind : change.object.kind,
    ]);
  expect(kinds(new Map(), objects)).toEqual([
    ['upsert', 'Namespace'],
    ['upsert', 'Service'],
  ]);
  expect(kinds(objects, new Map())).toEqual([
    ['delete', 'Service'],
    ['delete', 'Namespace'],
  ]);
});

function applied(current: Objects, desired: Objects): Objects {
  const result = new Map(current);
  for (const change of planChanges(current, desired, 0)) {
    if (change.type === 'delete') result.delete(refKey(change));
    else result.set(keyOf(change.object), change.object);
  }
  return result;
}

function keyOf({ kind, metadata }: SourceObject['object']): string {
  const { namespace = '', name }: { readonly namespace?: string; readonly name: string } = metadata;
  return refKey({ kind, namespace, name });
}

function aService(name: string, clusterIP: string): [string, SourceObject['object']] {
  const metadata = { name, namespace: 'n' };
  const service = serviceObjectSchema.parse({ kind: 'Service', metadata, spec: { clusterIPs: [clusterIP] } });
  return [keyOf(service), service];
}

function aNamespace(name: string): [string, SourceObject['object']] {
  const namespace = namespaceObjectSchema.parse({ kind: 'Namespace', metadata: { name } });
  return [keyOf(namespace), namespace];
}
