export { createDriftMetrics, type DriftMetrics } from './drift-metrics.ts';
export { DriftPublisher, type DriftPublisherOptions } from './drift-publisher.ts';
export { type DriftWatcher, type DriftWatcherOptions, type Expectation, openDriftWatcher } from './drift-watcher.ts';
export { type KernelMonitor, type KernelMonitorOptions, OwnProcesses, openKernelMonitor } from './kernel-monitor.ts';
export { type KernelReader, kernelReader, type RunProgram } from './read-kernel.ts';
