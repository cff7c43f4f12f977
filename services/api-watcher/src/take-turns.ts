/**
 * Several watchers of one cluster take turns: one is active, the others stand by. Each cluster is a group with a single
 * thing to own. Whoever gets the turn reads what the log holds and lists the cluster, so only differences are published.
 */
import { watchGroup } from '@signalbox/contracts';
import { asOneService, type RunningService, type ServiceContext, startInTurn } from '@signalbox/kit';
import type { Source } from '@signalbox/kube';
import { type ApiWatcherOptions, startApiWatcher } from './api-watcher.ts';
import { WatchMetrics } from './watch-metrics.ts';

export interface TurnOptions extends ApiWatcherOptions {
  /** Another one takes over when the active one is silent for longer. */
  readonly leaseMs: number;
}

export async function startWatcherInTurn(context: ServiceContext, options: TurnOptions): Promise<RunningService> {
  const turns: RunningService[] = [];
  try {
    for (const source of options.sources) turns.push(await startTurn(context, source, options));
  } catch (error) {
    await Promise.all(turns.map((turn) => turn.stop()));
    throw error;
  }
  return asOneService('api-watcher', turns);
}

async function startTurn(
  context: ServiceContext,
  source: Source,
  { leaseMs, sources, forget, onStatus }: TurnOptions,
): Promise<RunningService> {
  const { cluster } = source;
  new WatchMetrics(context.registry, cluster).setActive(false);
  return await startInTurn(context, {
    name: 'api-watcher',
    work: `watching ${cluster}`,
    group: watchGroup(cluster),
    leaseMs,
    start: ({ id: writer }) =>
      startApiWatcher(context, {
        sources: [source],
        siblings: sources.map((sibling) => sibling.cluster),
        writer,
        ...(forget && { forget }),
        ...(onStatus && { onStatus }),
      }),
  });
}
