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

/** The last word of every consumer of a layer, but of nodes that are gone and left theirs behind. */
export function listConsumers(
  store: Store,
  { layer, cluster }: { readonly layer: Layer; readonly cluster?: string | undefined },
): Ack[] {
  const rows = store.all(
    store.builder
      .selectFrom('acks')
      .select('data')
      .where('layer', '=', layer)
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .where(IS_STILL_THERE),
  );
  return rows.map((row) => JSON.parse(row.data) as Ack);
}
