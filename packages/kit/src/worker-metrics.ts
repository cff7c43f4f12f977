import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, oncePerRegistry } from './metrics.ts';

const labelNames = ['worker'] as const;

/** Of the worker runtime; `worker` is the worker's name. */
export const workerMetrics = oncePerRegistry((registry) => {
  const registers = [registry];
  return {
    derived: new Counter({ name: 'signalbox_worker_derived_total', help: 'Services derived', labelNames, registers }),
    published: new Counter({
      name: 'signalbox_worker_published_total',
      help: 'Documents published or withdrawn',
      labelNames,
      registers,
    }),
    failed: new Counter({
      name: 'signalbox_worker_failed_total',
      help: 'Derivations that threw; the last good document stays',
      labelNames,
      registers,
    }),
    badMessages: new Counter({
      name: 'signalbox_worker_bad_messages_total',
      help: 'Messages of the log that could not be read',
      labelNames,
      registers,
    }),
    skipped: new Gauge({
      name: 'signalbox_worker_skipped_services',
      help: 'Services of which something was left out, now',
      labelNames,
      registers,
    }),
    revision: new Gauge({
      name: 'signalbox_worker_watermark_revision',
      help: 'Revision up to which everything is derived',
      labelNames,
      registers,
    }),
    delay: new Histogram({
      name: 'signalbox_worker_derive_delay_seconds',
      help: 'From the change in the cluster to its published document',
      labelNames,
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
  };
});
export type WorkerMetrics = ReturnType<typeof workerMetrics>;

/** Prometheus sees no increase in a series that begins above 0: so the first failure would alert nobody. */
export function startCounting({ derived, published, failed, badMessages }: WorkerMetrics, worker: string): void {
  for (const each of [derived, published, failed, badMessages]) each.inc({ worker }, 0);
}

/** Of a worker that shares its layer with other replicas. */
export const sharesMetrics = oncePerRegistry((registry) => {
  const registers = [registry];
  return {
    partitions: new Gauge({
      name: 'signalbox_worker_partitions',
      help: 'Partitions that this replica derives, now',
      labelNames,
      registers,
    }),
    refused: new Counter({
      name: 'signalbox_worker_refused_total',
      help: 'Documents that could not be published: another owner wrote',
      labelNames,
      registers,
    }),
  };
});
