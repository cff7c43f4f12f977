/** How far consumers of a layer have come, now. */
import type { Ack, Layer } from '@signalbox/contracts';
import { sql } from 'kysely';
import { compiledQuery } from '../compiled-query.ts';
import { STILL_VALID } from '../schema.ts';
import type { Store } from '../store.ts';

const ackByKey = compiledQuery((builder, layer: Layer, cluster: string, consumer: string) =>
  builder
    .selectFrom('acks')
    .select('data')
    .where('layer', '=', layer)
    .where('cluster', '=', cluster)
    .where('consumer', '=', consumer),
);

export function ackOf(
  store: Store,
  { layer, cluster, consumer }: { layer: Layer; cluster: string; consumer: string },
): Ack | undefined {
  const row = ackByKey(store, layer, cluster, consumer);
  return row === undefined ? undefined : (JSON.parse(row.data) as Ack);
}

export interface AckListOptions {
  readonly layer?: Layer | undefined;
  readonly cluster?: string | undefined;
  /** The last one of the page before. */
  readonly after?: { readonly layer: string; readonly cluster: string; readonly consumer: string } | undefined;
  readonly limit: number;
}

/** By layer, cluster and consumer. */
export function listAcks(store: Store, { layer, cluster, after, limit }: AckListOptions): Ack[] {
  const rows = store.all(
    store.builder
      .selectFrom('acks')
      .select('data')
      .$if(layer !== undefined, (query) => query.where('layer', '=', layer ?? 'dns'))
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .$if(after !== undefined, (query) =>
        query.where(
          sql<boolean>`(layer, cluster, consumer) > (${after?.layer}, ${after?.cluster}, ${after?.consumer})`,
        ),
      )
      .orderBy('layer')
      .orderBy('cluster')
      .orderBy('consumer')
      .limit(limit),
  );
  return rows.map((row) => JSON.parse(row.data) as Ack);
}

const NODES = sql`select 1 from object_versions as nodes
  where nodes.kind = 'Node' and nodes.cluster = acks.cluster and nodes.namespace = ''
    and nodes.to_revision = ${sql.lit(STILL_VALID)}`;
/** An agent may run where no Node is known at all; where some are, one without a Node is a machine that was taken away. */
const IS_STILL_THERE = sql<boolean>`(
  acks.layer <> 'proxy' or exists (${NODES} and nodes.name = acks.consumer) or not exists (${NODES})
)`;

export interface ConsumerScope {
  readonly layer: Layer;
  /** Absent: of all. */
  readonly cluster?: string | undefined;
}

/** The last word of every consumer of a layer, but of nodes that are gone and left theirs behind. */
export function listConsumers(store: Store, scope: ConsumerScope): Ack[] {
  return store.all(consumersOf(store, scope).select('data')).map((row) => JSON.parse(row.data) as Ack);
}

export interface ConsumerCounts {
  readonly total: number;
  /** At this revision, or a later one. */
  readonly applied: number;
  /** Not there, and with an error. */
  readonly failing: number;
  /** Of the one furthest behind; undefined without consumers. */
  readonly leastRevision: number | undefined;
}

/** Of the same consumers, counted where they are: one call for ten thousand. */
export function countConsumers(store: Store, scope: ConsumerScope, revision: number): ConsumerCounts {
  const counted = store.first(
    consumersOf(store, scope).select(({ fn }) => [
      fn.countAll<number>().as('total'),
      fn.min<number | null>('revision').as('leastRevision'),
      sql<number>`count(*) filter (where revision >= ${revision})`.as('applied'),
      sql<number>`count(*) filter (where revision < ${revision} and error <> '')`.as('failing'),
    ]),
  );
  const { total, applied, failing, leastRevision } = counted ?? {
    total: 0,
    applied: 0,
    failing: 0,
    leastRevision: null,
  };
  return { total, applied, failing, leastRevision: leastRevision ?? undefined };
}

export interface BehindOptions {
  /** That they have not applied. */
  readonly revision: number;
  /** `urgency`: failing first, then the furthest behind. */
  readonly order: 'urgency' | 'revision';
  readonly limit: number;
}

export function listConsumersBehind(
  store: Store,
  scope: ConsumerScope,
  { revision, order, limit }: BehindOptions,
): Ack[] {
  const rows = store.all(
    consumersOf(store, scope)
      .select('data')
      .where('revision', '<', revision)
      .$if(order === 'urgency', (query) => query.orderBy(sql`error = ''`))
      .orderBy('revision')
      .orderBy('cluster')
      .orderBy('consumer')
      .limit(limit),
  );
  return rows.map((row) => JSON.parse(row.data) as Ack);
}

function consumersOf({ builder }: Store, { layer, cluster }: ConsumerScope) {
  return builder
    .selectFrom('acks')
    .where('layer', '=', layer)
    .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
    .where(IS_STILL_THERE);
}
