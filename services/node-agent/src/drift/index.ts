export { threadComparer } from './compare-in-thread.ts';
export { createDriftMetrics } from './drift-metrics.ts';
export { DriftPublisher } from './drift-publisher.ts';
export { type DriftWatcherOptions, openDriftWatcher } from './drift-watcher.ts';
export { OwnProcesses, openKernelMonitor } from './kernel-monitor.ts';
