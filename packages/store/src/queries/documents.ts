/** Derived documents as they were at a revision. */
import type { DerivedMessage, Layer, LayerDocuments, ServiceKey, Skipped } from '@signalbox/contracts';
import { sql } from 'kysely';
import { compiledQuery } from '../compiled-query.ts';
import { STILL_VALID } from '../schema.ts';
import type { Store } from '../store.ts';
import { isAfter, type Place, START } from './place.ts';

export interface StoredDocument<L extends Layer = Layer> {
  readonly key: ServiceKey;
  /** Of the newest change that is in it. */
  readonly revision: number;
  readonly changedAtMs: number;
  /** Null when all that the service has in this layer had to be left out. */
  readonly document: LayerDocuments[L] | null;
  readonly skipped: readonly Skipped[];
}

export interface DocumentFilter<L extends Layer> {
  readonly layer: L;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly after?: Place | undefined;
  readonly revision: number;
  readonly limit: number;
}

const COLUMNS = ['cluster', 'namespace', 'name', 'data'] as const;

const documentByKey = compiledQuery(
  (builder, layer: Layer, cluster: string, namespace: string, name: string, from: number, to: number) =>
    builder
      .selectFrom('document_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(COLUMNS)
      .where('layer', '=', layer)
      .where('cluster', '=', cluster)
      .where('namespace', '=', namespace)
      .where('name', '=', name)
      .where('from_revision', '<=', from)
      .where('to_revision', '>', to),
);

export function documentAt<L extends Layer>(
  store: Store,
  { layer, key, revision }: { layer: L; key: ServiceKey; revision: number },
): StoredDocument<L> | undefined {
  const row = documentByKey(store, layer, key.cluster, key.namespace, key.name, revision, revision);
  return row === undefined ? undefined : parseRow(row);
}

/** In the order of cluster, namespace, name. */
export function listDocuments<L extends Layer>(store: Store, filter: DocumentFilter<L>): StoredDocument<L>[] {
  const { cluster, namespace, after, revision } = filter;
  const rows = store.all(
    store.builder
      .selectFrom('document_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(COLUMNS)
      .where('layer', '=', filter.layer)
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .$if(namespace !== undefined, (query) => query.where('namespace', '=', namespace ?? ''))
      .$if(after !== undefined, (query) => query.where(isAfter(after ?? START, filter)))
      .where('from_revision', '<=', revision)
      .where('to_revision', '>', revision)
      .orderBy('cluster')
      .orderBy('namespace')
      .orderBy('name')
      .limit(filter.limit),
  );
  return rows.map((row) => parseRow<L>(row));
}

export interface ClosedDocument<L extends Layer> {
  readonly key: ServiceKey;
  /** The first revision at which it was no longer the layer's document, and when that was stored. */
  readonly endRevision: number;
  readonly endedAtMs: number;
  readonly document: LayerDocuments[L] | null;
}

/** Documents that another replaced, or that were removed, after one revision and up to another; oldest first. */
export function listClosedDocuments<L extends Layer>(
  store: Store,
  { layer, after, upTo, limit }: { layer: L; after: number; upTo: number; limit: number },
): ClosedDocument<L>[] {
  const rows = store.all(
    store.builder
      .selectFrom('document_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(['cluster', 'namespace', 'name', 'to_revision', 'data'])
      .select((builder) =>
        builder
          .selectFrom('revisions')
          .select('at_ms')
          .whereRef('revision', '<=', 'to_revision')
          .orderBy('revision', 'desc')
          .limit(1)
          .as('ended_at_ms'),
      )
      .where('layer', '=', layer)
      .where('to_revision', '>', after)
      .where('to_revision', '<=', upTo)
      // The bound in the text is what lets SQLite use the index of closed versions.
      .where('to_revision', '<', sql.lit(STILL_VALID))
      .orderBy('to_revision')
      .limit(limit),
  );
  return rows.map(({ to_revision, ended_at_ms, data, ...key }) => {
    const { document } = JSON.parse(data) as DerivedMessage<LayerDocuments[L] | null>;
    return { key, endRevision: to_revision, endedAtMs: ended_at_ms ?? 0, document: document ?? null };
  });
}

/** The highest revision stored before this moment; 0 when there is none. */
export function revisionBefore(store: Store, atMs: number): number {
  const query = store.builder.selectFrom('revisions').select((eb) => eb.fn.max('revision').as('revision'));
  return store.first(query.where('at_ms', '<', atMs))?.revision ?? 0;
}

function parseRow<L extends Layer>(row: ServiceKey & { data: string }): StoredDocument<L> {
  const { cluster, namespace, name } = row;
  const message = JSON.parse(row.data) as DerivedMessage<LayerDocuments[L] | null>;
  return {
    key: { cluster, namespace, name },
    revision: message.revision,
    changedAtMs: message.changedAtMs,
    document: message.document ?? null,
    skipped: message.skipped,
  };
}
