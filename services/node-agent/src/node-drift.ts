/** Watches the kernel of this node for what should not be there, and for what is missing. */
import type { DriftOwner, RulesBackend } from '@signalbox/contracts';
import type { ServiceContext } from '@signalbox/kit';
import {
  createDriftMetrics,
  DriftPublisher,
  type DriftWatcherOptions,
  type OwnProcesses,
  openDriftWatcher,
  openKernelMonitor,
  threadComparer,
} from './drift/index.ts';

export interface NodeDriftOptions
  extends Pick<DriftWatcherOptions, 'cluster' | 'owner' | 'expected' | 'repair' | 'intervalMs'> {
  readonly backend: RulesBackend;
  readonly owner: DriftOwner;
  /** Their transactions are the agent's own. */
  readonly ownProcesses: OwnProcesses;
  readonly commandPrefix: readonly string[];
}

export interface NodeDrift {
  /**
   * From now on changes of others are seen as they happen, and not by the timer only. To be called when the first rules
   * are in: a monitor that is told of every element of a full load takes as much CPU as loading it. Idempotent.
   */
  watch(): void;
  /** A comparison under way would not count. */
  noteProgrammed(): void;
  /** There is something else to compare with: looks at the kernel when that has not changed for a while. */
  noteExpectation(): void;
  close(): Promise<void>;
}

export function openNodeDrift({ log, logger, registry }: ServiceContext, options: NodeDriftOptions): NodeDrift {
  const { backend, owner, ownProcesses: own, commandPrefix } = options;
  const metrics = createDriftMetrics(registry);
  const publisher = new DriftPublisher({ log, logger });
  const watcher = openDriftWatcher({
    ...options,
    compareKernel: threadComparer({ owner, commandPrefix }),
    logger,
    onReport: (report) => {
      metrics.record(report);
      void publisher.publish(report);
      if (isWatching) monitor.ensure();
    },
  });
  let isWatching = false;
  const onChange = (): void => watcher.noteChange();
  const monitor = openKernelMonitor({ backend, owner, own, logger, commandPrefix, onChange });
  return {
    watch: () => {
      // One that has ended since is started by the timer's check, not by each change.
      if (isWatching) return;
      isWatching = true;
      monitor.ensure();
      // What others changed since the rules were loaded was seen by nobody.
      watcher.noteChange();
    },
    noteProgrammed: () => watcher.noteProgrammed(),
    noteExpectation: onChange,
    close: async () => {
      await monitor.close();
      await watcher.stop();
    },
  };
}
