/** Forgets old history in small steps, so that a long past never stops the present for long. */
import { sql } from 'kysely';
import { STILL_VALID } from './schema.ts';
import { historyHorizon, raiseHistoryHorizon } from './settings.ts';
import { stateRevision } from './state-revision.ts';
import type { Store } from './store.ts';

export interface HistoryRetention {
  /** A revision further back than this is forgotten … */
  readonly maxRevisions: number;
  /** … and so is one that is older, whichever comes first. */
  readonly maxAgeMs: number;
}

export const DEFAULT_HISTORY_RETENTION: HistoryRetention = { maxRevisions: 100_000, maxAgeMs: 7 * 24 * 3_600_000 };

/**
 * History is kept back to the revision being answered for, however short the retention. Only a layer that is further
 * behind than this loses that: its past would otherwise grow for as long as the layer stands still.
 */
const MAX_LAG_REVISIONS = 500_000;

/** Deletes at most `limit` rows of each table. Returns how many, over all: 0 when there is nothing left to forget. */
export function pruneHistory(
  store: Store,
  retention: HistoryRetention,
  { nowMs, limit }: { nowMs: number; limit: number },
): number {
  return store.transaction(() => {
    raiseHistoryHorizon(store, nextHorizon(store, retention, { nowMs, limit }));
    const horizon = historyHorizon(store);
    return (
      pruneVersions(store, 'object_versions', { horizon, limit }) +
      pruneVersions(store, 'document_versions', { horizon, limit }) +
      pruneRevisions(store, horizon, limit) +
      store.run(store.builder.deleteFrom('layer_clusters').where('to_revision', '<=', horizon))
    );
  });
}

function nextHorizon(store: Store, retention: HistoryRetention, step: { nowMs: number; limit: number }): number {
  const { head, revision, horizon } = stateRevision(store);
  const byCount = head - retention.maxRevisions;
  const byAge = lastRevisionBefore(store, { atMs: step.nowMs - retention.maxAgeMs, from: horizon, limit: step.limit });
  const wanted = Math.min(Math.max(byCount, byAge), revision ?? horizon);
  return Math.max(wanted, head - retention.maxRevisions - MAX_LAG_REVISIONS);
}

function lastRevisionBefore(
  store: Store,
  { atMs, from, limit }: { atMs: number; from: number; limit: number },
): number {
  const oldest = store.builder
    .selectFrom('revisions')
    .select(['revision', 'at_ms'])
    .where('revision', '>=', from)
    .orderBy('revision')
    .limit(limit);
  const last = store.builder
    .selectFrom(oldest.as('oldest'))
    .select((eb) => eb.fn.max('revision').as('revision'))
    .where('at_ms', '<', atMs);
  return store.first(last)?.revision ?? 0;
}

/** The bound in the text is what lets SQLite use the index of closed versions. */
function pruneVersions(
  store: Store,
  table: 'object_versions' | 'document_versions',
  { horizon, limit }: { horizon: number; limit: number },
): number {
  const removed = store.all(
    store.builder
      .deleteFrom(table)
      .where('to_revision', '<=', horizon)
      .where('to_revision', '<', sql.lit(STILL_VALID))
      .orderBy('to_revision')
      .limit(limit)
      .returning('content_id'),
  );
  const ids = JSON.stringify(removed.map((row) => row.content_id));
  const contents = sql<number>`(select value from json_each(${ids}))`;
  return store.run(store.builder.deleteFrom('contents').where('id', 'in', contents));
}

function pruneRevisions(store: Store, horizon: number, limit: number): number {
  const old = store.builder
    .selectFrom('revisions')
    .select('revision')
    .where('revision', '<', horizon)
    .orderBy('revision')
    .limit(limit);
  return store.run(store.builder.deleteFrom('revisions').where('revision', 'in', old));
}
