/** Whether what the API answers is whole. */
import type { ApiReadiness } from '@signalbox/contracts';
import { layerClustersAt, listObjects, missingLayers, sourceStatuses, stateRevision } from '@signalbox/store';
import type { ApiDependencies } from './dependencies.ts';

const MAX_CLUSTERS = 10_000;

/**
 * Ready: the log is read to its end, every layer has derived, some cluster is known, and every known one is in every layer.
 * Without a cluster every list is empty, which a caller could not tell from a cluster without services.
 */
export function readReadiness({ store, projector }: Pick<ApiDependencies, 'store' | 'projector'>): ApiReadiness {
  if (!projector.isCaughtUp()) return notReady(['the event log has not been read to its end yet']);
  const { revision, head, missing } = stateRevision(store);
  if (revision === undefined) return notReady(missing);
  const objects = listObjects(store, { kind: 'Cluster', revision: head, limit: MAX_CLUSTERS });
  const statuses = sourceStatuses(store);
  const byLayer = layerClustersAt(store, revision);
  const derived = Object.values(byLayer).flatMap((clusters) => Object.keys(clusters));
  const reported = statuses.map(({ cluster }) => cluster);
  const known = new Set([...objects.map(({ key }) => key.name), ...reported, ...derived]);
  if (known.size === 0) return { isReady: false, missing: ['no cluster is known yet'], revision };
  const unsynced = [...known].sort().flatMap((cluster) => {
    const layers = missingLayers(byLayer, cluster);
    if (layers.length === 0) return [];
    const trouble = statuses
      .filter((status) => status.cluster === cluster && status.state !== 'watching')
      .map(({ kind, state, message }) => `${kind} ${state}${message === '' ? '' : `: ${message}`}`);
    return [`the cluster ${cluster} is not synced (${[...trouble, `missing in ${layers.join(', ')}`].join('; ')})`];
  });
  return { isReady: unsynced.length === 0, missing: unsynced, revision };
}

function notReady(missing: readonly string[]): ApiReadiness {
  return { isReady: false, missing: [...missing], revision: 0 };
}
