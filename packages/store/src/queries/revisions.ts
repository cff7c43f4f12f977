/** What changed at which revision. */
import type { Revision } from '@signalbox/contracts';
import { compiledQuery } from '../compiled-query.ts';
import type { RevisionTable } from '../schema.ts';
import type { Store } from '../store.ts';

export function revisionAt(store: Store, revision: number): Revision | undefined {
  const row = store.first(store.builder.selectFrom('revisions').selectAll().where('revision', '=', revision));
  return row === undefined ? undefined : toRevision(row);
}

const nextRevision = compiledQuery((builder, revision: number) =>
  builder.selectFrom('revisions').select('at_ms').where('revision', '>', revision).orderBy('revision').limit(1),
);

/** When the first revision after this one was stored, epoch milliseconds; of those that are kept. */
export function revisionAfterAtMs(store: Store, revision: number): number | undefined {
  return nextRevision(store, revision)?.at_ms;
}

/** Newest first, none above `upTo`. */
export function listRevisions(store: Store, { upTo, limit }: { upTo: number; limit: number }): Revision[] {
  const query = store.builder.selectFrom('revisions').selectAll().where('revision', '<=', upTo);
  return store.all(query.orderBy('revision', 'desc').limit(limit)).map(toRevision);
}

function toRevision({ at_ms, ...row }: RevisionTable): Revision {
  return { ...row, at: new Date(at_ms).toISOString() };
}
