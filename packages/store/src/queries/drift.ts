/** What each node's last check of its kernel found. Of now, at any revision. */
import type { DriftReport } from '@signalbox/contracts';
import { sql } from 'kysely';
import type { Store } from '../store.ts';

/** Undefined when the node has reported nothing. */
export function driftReport(store: Store, cluster: string, node: string): DriftReport | undefined {
  const query = store.builder.selectFrom('node_drift').select('data');
  const row = store.first(query.where('cluster', '=', cluster).where('node', '=', node));
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
