/** Whether what the API answers is whole. */
import type { ApiReadiness } from '@signalbox/contracts';
import { layerClustersAt, listObjects, missingLayers, sourceStatuses, stateRevision } from '@signalbox/store';
import type { ApiDependencies } from './dependencies.ts';

const MAX_CLUSTERS = 10_000;

/** Ready: the log is read to its end, every layer has derived, and every known cluster is in every layer. */
export function readReadiness({ store, projector }: Pick<ApiDependencies, 'store' | 'projector'>): ApiReadiness {
  if (!projector.isCaughtUp()) return notReady(['the event log has not been read to its end yet']);
  const { revision, head, missing } = stateRevision(store);
  if (revision === undefined) return notReady(missing);
  const objects = listObjects(store, { kind: 'Cluster', revision: head, limit: MAX_CLUSTERS });
  const statuses = sourceStatuses(store);
  const known = new Set([...objects.map(({ key }) => key.name), ...statuses.map(({ cluster }) => cluster)]);
  const byLayer = layerClustersAt(store, revision);
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
