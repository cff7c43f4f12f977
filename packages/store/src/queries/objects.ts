/** Objects as they were at a revision. */
import {
  type ObjectKey,
  type ObjectKind,
  type ObjectMessage,
  partitionOf,
  type ServiceKey,
  serviceNameOfSlice,
} from '@signalbox/contracts';
import { sql } from 'kysely';
import { compiledQuery } from '../compiled-query.ts';
import type { Store } from '../store.ts';
import { isAfter, type Place, START } from './place.ts';

export type ObjectOfKind<Kind extends ObjectKind> = Extract<ObjectMessage['object'], { kind: Kind }>;

export interface StoredObject<Kind extends ObjectKind = ObjectKind> {
  readonly key: ObjectKey;
  /** At which this content came. */
  readonly revision: number;
  readonly changedAtMs: number;
  readonly object: ObjectOfKind<Kind>;
}

export interface ObjectFilter<Kind extends ObjectKind> {
  readonly kind: Kind;
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  /** Only what comes after this place, in the order of cluster, namespace, name. */
  readonly after?: Place | undefined;
  readonly revision: number;
  readonly limit: number;
}

const COLUMNS = ['kind', 'cluster', 'namespace', 'name', 'from_revision', 'content_revision', 'data'] as const;

const objectByKey = compiledQuery(
  (builder, kind: ObjectKind, cluster: string, namespace: string, name: string, from: number, to: number) =>
    builder
      .selectFrom('object_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(COLUMNS)
      .where('kind', '=', kind)
      .where('cluster', '=', cluster)
      .where('namespace', '=', namespace)
      .where('name', '=', name)
      .where('from_revision', '<=', from)
      .where('to_revision', '>', to),
);

export function objectAt<Kind extends ObjectKind>(
  store: Store,
  { kind, cluster, namespace, name }: ObjectKey & { readonly kind: Kind },
  revision: number,
): StoredObject<Kind> | undefined {
  const row = objectByKey(store, kind, cluster, namespace, name, revision, revision);
  return row === undefined ? undefined : parseRow(row);
}

/** In the order of cluster, namespace, name. */
export function listObjects<Kind extends ObjectKind>(store: Store, filter: ObjectFilter<Kind>): StoredObject<Kind>[] {
  const { cluster, namespace, after, revision } = filter;
  const rows = store.all(
    store.builder
      .selectFrom('object_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(COLUMNS)
      .where('kind', '=', filter.kind)
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
  return rows.map((row) => parseRow<Kind>(row));
}

/** The EndpointSlices of one Service. Their partition narrows the search to a few of the namespace's slices. */
export function slicesOfService(store: Store, key: ServiceKey, revision: number): StoredObject<'EndpointSlice'>[] {
  const rows = store.all(
    store.builder
      .selectFrom('object_versions')
      .innerJoin('contents', 'contents.id', 'content_id')
      .select(COLUMNS)
      .where('kind', '=', 'EndpointSlice')
      .where('cluster', '=', key.cluster)
      .where('namespace', '=', key.namespace)
      .where('partition', '=', partitionOf(key.namespace, key.name))
      .where('from_revision', '<=', revision)
      .where('to_revision', '>', revision)
      .orderBy('name'),
  );
  return rows
    .map((row) => parseRow<'EndpointSlice'>(row))
    .filter((slice) => serviceNameOfSlice(slice.object) === key.name);
}

export interface ObjectCount {
  readonly cluster: string;
  readonly kind: ObjectKind;
  readonly count: number;
}

export function countObjects(store: Store, revision: number): ObjectCount[] {
  return store.all(
    store.builder
      .selectFrom('object_versions')
      .select(['cluster', 'kind', sql<number>`count(*)`.as('count')])
      .where('from_revision', '<=', revision)
      .where('to_revision', '>', revision)
      .groupBy(['kind', 'cluster']),
  );
}

function parseRow<Kind extends ObjectKind>(
  row: ObjectKey & {
    readonly from_revision: number;
    readonly content_revision: number | null;
    readonly data: string;
  },
): StoredObject<Kind> {
  const { kind, cluster, namespace, name } = row;
  const message = JSON.parse(row.data) as ObjectMessage;
  return {
    key: { kind, cluster, namespace, name },
    revision: row.content_revision ?? row.from_revision,
    changedAtMs: message.changedAtMs,
    object: message.object as ObjectOfKind<Kind>,
  };
}
