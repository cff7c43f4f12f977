/** How far the layers and their consumers have come, measured by one revision or by what is derived. */
import {
  type ConsumerBehind,
  type ConsumerState,
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
    const consumers = layerConsumers(store, { layer, cluster });
    const counts = countStates(consumers, wanted);
    return {
      layer,
      isDerived,
      revision: derived,
      convergedRevision: consumers.reduce((least, one) => Math.min(least, one.revision), derived),
      isConverged: isDerived && counts.applied === counts.total,
      consumers: counts,
      behind: listBehind(consumers, wanted),
      skippedServices: skipped.get(layer) ?? 0,
    };
  });
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
    const derived = layers[layer] ?? 0;
    const consumers = layerConsumers(store, { layer });
    const behind = consumers.filter(({ revision }) => revision < derived).sort((a, b) => a.revision - b.revision);
    const stalest = behind.slice(0, limit).map(({ cluster, consumer, revision }) => {
      const sinceMs = revisionAfterAtMs(store, revision) ?? nowMs;
      return { cluster, consumer, seconds: Math.max(0, nowMs - sinceMs) / 1000 };
    });
    return { layer, counts: countStates(consumers, derived), stalest };
  });
}

function countStates(consumers: readonly LayerConsumer[], wanted: number): LayerProgress['consumers'] {
  const counts = { total: consumers.length, applied: 0, lagging: 0, failing: 0 };
  for (const consumer of consumers) counts[stateOf(consumer, wanted)] += 1;
  return counts;
}

/** Who has the revision has it, whatever keeps him from a later one. */
function stateOf({ revision, error }: LayerConsumer, wanted: number): ConsumerState {
  if (revision >= wanted) return 'applied';
  return error === '' ? 'lagging' : 'failing';
}

function listBehind(consumers: readonly LayerConsumer[], wanted: number): ConsumerBehind[] {
  return consumers
    .filter(({ revision }) => revision < wanted)
    .sort(byUrgency)
    .slice(0, MAX_CONSUMERS_BEHIND)
    .map(({ cluster, consumer, kind, revision, appliedAtMs, error }) => {
      const appliedAt = appliedAtMs === null ? null : new Date(appliedAtMs).toISOString();
      return { cluster, consumer, kind, revision, behindBy: wanted - revision, appliedAt, error };
    });
}

function byUrgency(a: LayerConsumer, b: LayerConsumer): number {
  return (
    Number(a.error === '') - Number(b.error === '') ||
    a.revision - b.revision ||
    compareText(a.cluster, b.cluster) ||
    compareText(a.consumer, b.consumer)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
