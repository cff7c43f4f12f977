/** The revision that a request is answered for, and what is known at it. */
import { type Layer, type ObjectKind, SignalboxError, SOURCE_KINDS } from '@signalbox/contracts';
import {
  layerClustersAt,
  listObjects,
  missingLayers,
  type Store,
  sourceStatuses,
  stateRevision,
} from '@signalbox/store';
import type { ApiDependencies } from './dependencies.ts';

export interface State {
  readonly revision: number;
  /** Layers that do not derive the cluster at this revision; what they have of it is not the truth yet. */
  missingLayers(cluster: string): readonly Layer[];
  /** DNS domain of a cluster that the DNS layer derives. */
  domain(cluster: string): string | undefined;
  /** Clusters that some layer derives, by name. */
  readonly clusters: readonly string[];
}

/**
 * Throws `unavailable` while there is no revision that all layers have derived, `invalid` for a revision that they have
 * not come to, `expired` for one whose state is no longer kept.
 */
export function readState(store: Store, requested?: number): State {
  const { revision: newest, horizon, missing } = stateRevision(store);
  if (newest === undefined) throw new SignalboxError('unavailable', missing.join('; '));
  const revision = requested ?? newest;
  if (revision > newest) {
    throw new SignalboxError('invalid', `revision: ${revision} is not derived yet, the newest one is ${newest}`);
  }
  if (revision < horizon) {
    throw new SignalboxError('expired', `revision: the state at ${revision} is not kept, the oldest one is ${horizon}`);
  }
  const byLayer = layerClustersAt(store, revision);
  const names = new Set(Object.values(byLayer).flatMap((clusters) => Object.keys(clusters)));
  return {
    revision,
    missingLayers: (cluster) => missingLayers(byLayer, cluster),
    domain: (cluster) => (Object.hasOwn(byLayer.dns, cluster) ? byLayer.dns[cluster]?.domain : undefined),
    clusters: [...names].sort(),
  };
}

/** Throws `unavailable` until the log was read to the end that it had at the start. */
export function requireCaughtUp({ projector }: Pick<ApiDependencies, 'projector'>): void {
  if (!projector.isCaughtUp())
    throw new SignalboxError('unavailable', 'the event log has not been read to its end yet');
}

/** Throws `not_found` for a cluster that nobody knows, `unavailable` for one that is not derived (in the given layer). */
export function requireSynced(
  store: Store,
  state: State,
  { cluster, layer }: { cluster: string; layer?: Layer },
): void {
  const missing = state.missingLayers(cluster).filter((name) => layer === undefined || name === layer);
  if (missing.length === 0) return;
  requireCluster(store, state, cluster);
  throw new SignalboxError('unavailable', `the cluster ${cluster} is not synced yet (${missing.join(', ')})`);
}

/** Throws `not_found` for a cluster that nobody knows. */
export function requireCluster(
  store: Store,
  { revision, clusters }: Pick<State, 'revision' | 'clusters'>,
  cluster: string,
): void {
  const hasObjects = (kind: ObjectKind): boolean =>
    listObjects(store, { kind, cluster, revision, limit: 1 }).length > 0;
  if (clusters.includes(cluster) || sourceStatuses(store, cluster).length > 0) return;
  if (hasObjects('Cluster') || SOURCE_KINDS.some(hasObjects)) return;
  throw new SignalboxError('not_found', `there is no cluster called ${cluster}`);
}
