import { isDeepStrictEqual } from 'node:util';
import type { SourceKind } from '@signalbox/contracts';
import type { SourceChange, SourceObject } from '../source.ts';
import { sourceObject } from './read-manifests.ts';

type Objects = ReadonlyMap<string, SourceObject['object']>;

/** A Service comes before its slices and goes after them. */
const UPSERT_ORDER: readonly SourceKind[] = ['Namespace', 'Node', 'Pod', 'Service', 'EndpointSlice'];

/**
 * What leads from one set of objects (by key) to another. Upserts come before deletes, so that a slice which moves to
 * another name is never missing between the two. Equal sets give no change.
 */
export function planChanges(current: Objects, desired: Objects, changedAtMs: number): SourceChange[] {
  const upserts = [...desired].flatMap(([key, object]): SourceChange[] =>
    isSame(current.get(key), object) ? [] : [{ type: 'upsert', ...sourceObject(object, changedAtMs) }],
  );
  const deletes = [...current].flatMap(([key, { kind, metadata }]): SourceChange[] =>
    desired.has(key) ? [] : [{ type: 'delete', kind, namespace: namespaceOf(metadata), name: metadata.name }],
  );
  return [...upserts.sort((a, b) => rank(a) - rank(b)), ...deletes.sort((a, b) => rank(b) - rank(a))];
}

/** Files that did not change give the very same objects, which saves most comparisons. */
function isSame(a: unknown, b: unknown): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

function namespaceOf(metadata: { readonly name: string; readonly namespace?: string }): string {
  return metadata.namespace ?? '';
}

function rank(change: SourceChange): number {
  return UPSERT_ORDER.indexOf(change.type === 'delete' ? change.kind : change.object.kind);
}
