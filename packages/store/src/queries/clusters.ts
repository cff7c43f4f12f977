/** How sources are doing now, and which clusters each layer had synced at a revision. */
import { LAYERS, type Layer, type SourceStatus, type Watermark } from '@signalbox/contracts';
import type { Store } from '../store.ts';

type LayerClusters = Readonly<Record<Layer, Watermark['clusters']>>;

/** Of all clusters, or of one; by cluster and kind. */
export function sourceStatuses(store: Store, cluster?: string): SourceStatus[] {
  const rows = store.all(
    store.builder
      .selectFrom('source_statuses')
      .select('data')
      .$if(cluster !== undefined, (query) => query.where('cluster', '=', cluster ?? ''))
      .orderBy('cluster')
      .orderBy('kind'),
  );
  return rows.map((row) => JSON.parse(row.data) as SourceStatus);
}

/** The clusters of the watermark that each layer had at the revision, with their domains. */
export function layerClustersAt(store: Store, revision: number): LayerClusters {
  const rows = store.all(
    store.builder
      .selectFrom('layer_clusters')
      .select(['layer', 'clusters'])
      .where('from_revision', '<=', revision)
      .where('to_revision', '>', revision),
  );
  const found = new Map(rows.map((row) => [row.layer, JSON.parse(row.clusters) as Watermark['clusters']]));
  return { proxy: found.get('proxy') ?? {}, dns: found.get('dns') ?? {}, lb: found.get('lb') ?? {} };
}

/** Layers that do not derive the cluster (yet). */
export function missingLayers(clusters: LayerClusters, cluster: string): Layer[] {
  return LAYERS.filter((layer) => !Object.hasOwn(clusters[layer], cluster));
}

/** Services of which each layer had to leave something out, by its last watermark. */
export function skippedServices(store: Store): ReadonlyMap<Layer, number> {
  const rows = store.all(store.builder.selectFrom('watermarks').select(['layer', 'skipped_services']));
  return new Map(rows.map((row) => [row.layer, row.skipped_services]));
}
