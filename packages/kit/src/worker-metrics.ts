import type { Registry } from 'prom-client';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS } from './metrics.ts';

/** Metrics of the worker runtime; `worker` is the worker's name. Asking twice for one registry gives the same metrics. */
export function workerMetrics(registry: Registry) {
  return {
    derived: counter(registry, 'signalbox_worker_derived_total', 'Services derived'),
    published: counter(registry, 'signalbox_worker_published_total', 'Documents published or withdrawn'),
    failed: counter(registry, 'signalbox_worker_failed_total', 'Derivations that threw; the last good document stays'),
    badMessages: counter(registry, 'signalbox_worker_bad_messages_total', 'Messages of the log that could not be read'),
    skipped: gauge(registry, 'signalbox_worker_skipped_services', 'Services of which something was left out, now'),
    revision: gauge(registry, 'signalbox_worker_watermark_revision', 'Revision up to which everything is derived'),
    delay: histogram(
      registry,
      'signalbox_worker_derive_delay_seconds',
      'From the change in the cluster to its published document',
    ),
  };
}

/** Prometheus sees no increase in a series that begins above 0: so the first failure would alert nobody. */
export function startCounting({ derived, published, failed, badMessages }: WorkerMetrics, worker: string): void {
  for (const each of [derived, published, failed, badMessages]) each.inc({ worker }, 0);
}

/** Of a worker that shares its layer with other replicas. */
export function sharesMetrics(registry: Registry) {
  return {
    partitions: gauge(registry, 'signalbox_worker_partitions', 'Partitions that this replica derives, now'),
    refused: counter(
      registry,
      'signalbox_worker_refused_total',
      'Documents that could not be published: another owner wrote',
    ),
  };
}

export type WorkerMetrics = ReturnType<typeof workerMetrics>;

const labelNames = ['worker'] as const;

function counter(registry: Registry, name: string, help: string): Counter<'worker'> {
  const existing = registry.getSingleMetric(name);
  return existing instanceof Counter ? existing : new Counter({ name, help, labelNames, registers: [registry] });
}

function gauge(registry: Registry, name: string, help: string): Gauge<'worker'> {
  const existing = registry.getSingleMetric(name);
  return existing instanceof Gauge ? existing : new Gauge({ name, help, labelNames, registers: [registry] });
}

function histogram(registry: Registry, name: string, help: string): Histogram<'worker'> {
  const existing = registry.getSingleMetric(name);
  if (existing instanceof Histogram) return existing;
  return new Histogram({ name, help, labelNames, buckets: LATENCY_BUCKETS_SECONDS, registers: [registry] });
}
