/** How far the layers and their consumers have come, measured by one revision or by what is derived. */
import {
  type ConsumerBehind,
  LAYERS,
  type Layer,
  type LayerProgress,
  MAX_CONSUMERS_BEHIND,
} from '@signalbox/contracts';
import { layerClustersAt, revisionAfterAtMs, type Store, skippedServices, stateRevision } from '@signalbox/store';
import { type LayerConsumer, layerConsumers } from './layer-consumers.ts';

interface Measure {
  /** Absent: each layer is measured by what it has derived. */
  readonly revision?: number | undefined;
  /** Only its consumers count; the layer must list it. Absent: of all clusters. */
  readonly cluster?: string | undefined;
}

/** One entry for every layer, in their order. */
export function describeProgress(store: Store, { revision, cluster }: Measure): LayerProgress[] {
  const { head, layers } = stateRevision(store);
  const clusters = cluster === undefined ? undefined : layerClustersAt(store, head);
  const skipped = skippedServices(store);
  return LAYERS.map((layer) => {
    const derived = layers[layer] ?? 0;
    const wanted = revision ?? derived;
    const hasCluster = clusters === undefined || Object.hasOwn(clusters[layer], cluster ?? '');
    const isDerived = layers[layer] !== undefined && derived >= wanted && hasCluster;
    const consumers = layerConsumers(store, { layer, cluster }, wanted);
    const { counts, leastRevision = derived } = consumers;
    return {
      layer,
      isDerived,
      revision: derived,
      convergedRevision: Math.min(leastRevision, derived),
      isConverged: isDerived && counts.applied === counts.total,
      consumers: counts,
      behind: consumers.behind('urgency', MAX_CONSUMERS_BEHIND).map((consumer) => describeBehind(consumer, wanted)),
      skippedServices: skipped.get(layer) ?? 0,
    };
  });
}

function describeBehind(consumer: LayerConsumer, wanted: number): ConsumerBehind {
  const { cluster, consumer: name, kind, revision, appliedAtMs, error } = consumer;
  const appliedAt = appliedAtMs === null ? null : new Date(appliedAtMs).toISOString();
  return { cluster, consumer: name, kind, revision, behindBy: wanted - revision, appliedAt, error };
}

export interface StaleConsumer extends Pick<LayerConsumer, 'cluster' | 'consumer'> {
  /** Age of the oldest revision that its layer has derived and it has not applied. */
  readonly seconds: number;
}

export interface LayerConsumers {
  readonly layer: Layer;
  readonly counts: LayerProgress['consumers'];
  /** The stalest first, so many at most; those that have applied all are not among them. */
  readonly stalest: readonly StaleConsumer[];
}

/** By what every layer has derived. */
export function describeConsumers(store: Store, { nowMs, limit }: { nowMs: number; limit: number }): LayerConsumers[] {
  const { layers } = stateRevision(store);
  return LAYERS.map((layer) => {
    const { counts, behind } = layerConsumers(store, { layer }, layers[layer] ?? 0);
    const stalest = behind('revision', limit).map(({ cluster, consumer, revision }) => {
      const sinceMs = revisionAfterAtMs(store, revision) ?? nowMs;
      return { cluster, consumer, seconds: Math.max(0, nowMs - sinceMs) / 1000 };
    });
    return { layer, counts, stalest };
  });
}
