/** What each node's last check of its kernel found. Of now, at any revision; of nodes that their cluster still has. */
import type { DriftReport } from '@signalbox/contracts';
import { sql } from 'kysely';
import { STILL_VALID } from '../schema.ts';
import type { Store } from '../store.ts';

const HAS_NODE = sql<boolean>`exists (
  select 1 from object_versions as nodes
  where nodes.kind = 'Node' and nodes.cluster = node_drift.cluster and nodes.namespace = '' and nodes.name = node_drift.node
    and nodes.to_revision = ${sql.lit(STILL_VALID)}
)`;

/** Undefined when the node has reported nothing, or is gone. */
export function driftReport(store: Store, cluster: string, node: string): DriftReport | undefined {
  const query = store.builder.selectFrom('node_drift').select('data');
  const row = store.first(query.where('cluster', '=', cluster).where('node', '=', node).where(HAS_NODE));
  return row === undefined ? undefined : (JSON.parse(row.data) as DriftReport);
}

export interface DriftListOptions {
  readonly cluster?: string | undefined;
  /** The last one of the page before. */
  readonly after?: { readonly cluster: string; readonly node: string } | undefined;
  readonly limit: number;
}

/** By cluster and node. */
export function listDriftReports(store: Store, { cluster, after, limit }: DriftListOptions): DriftReport[] {
  const rows = store.all(
    store.builder
      .selectFrom('node_drift')
      .select('data')
      .where(HAS_NODE)
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .$if(after !== undefined, (query) =>
        query.where(sql<boolean>`(cluster, node) > (${after?.cluster}, ${after?.node})`),
      )
      .orderBy('cluster')
      .orderBy('node')
      .limit(limit),
  );
  return rows.map((row) => JSON.parse(row.data) as DriftReport);
}
