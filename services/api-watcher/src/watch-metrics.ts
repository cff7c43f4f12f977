import type { ObjectKey, SourceStatus } from '@signalbox/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, oncePerRegistry, type Registry } from '@signalbox/kit';

const labelNames = ['cluster', 'kind'] as const;

const metricsOf = oncePerRegistry((registry) => {
  const registers = [registry];
  return {
    isActive: new Gauge({
      name: 'signalbox_watch_active',
      help: '1: this process reads the cluster; 0: it stands by',
      labelNames: ['cluster'] as const,
      registers,
    }),
    isCurrent: new Gauge({
      name: 'signalbox_watch_current',
      help: '1: the log holds what the cluster has; 0: it may be behind, or the kind cannot be read',
      labelNames,
      registers,
    }),
    objects: new Gauge({ name: 'signalbox_watch_objects', help: 'Objects known, now', labelNames, registers }),
    skipped: new Gauge({
      name: 'signalbox_watch_skipped_objects',
      help: 'Objects left out because they could not be read, now',
      labelNames,
      registers,
    }),
    interruptions: new Counter({
      name: 'signalbox_watch_interruptions_total',
      help: 'How often what was current was so no more',
      labelNames,
      registers,
    }),
    published: new Counter({
      name: 'signalbox_watch_published_total',
      help: 'Changes appended to the event log, each a revision',
      labelNames,
      registers,
    }),
    delay: new Histogram({
      name: 'signalbox_watch_publish_delay_seconds',
      help: 'From an object that was added or changed in the cluster to its revision; not for lists',
      labelNames,
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
  };
});

/** What one cluster's watch says of itself. */
export class WatchMetrics {
  readonly #metrics: ReturnType<typeof metricsOf>;
  readonly #cluster: string;

  constructor(registry: Registry, cluster: string) {
    this.#metrics = metricsOf(registry);
    this.#cluster = cluster;
  }

  setActive(isActive: boolean): void {
    this.#metrics.isActive.set({ cluster: this.#cluster }, isActive ? 1 : 0);
  }

  /** `before`: the status of the same kind that this one follows. */
  note({ kind, state, objects, skipped }: SourceStatus, before: SourceStatus | undefined): void {
    const labels = { cluster: this.#cluster, kind };
    const isCurrent = state === 'watching';
    this.#metrics.isCurrent.set(labels, isCurrent ? 1 : 0);
    this.#metrics.objects.set(labels, objects);
    this.#metrics.skipped.set(labels, skipped);
    this.#metrics.interruptions.inc(labels, before?.state === 'watching' && !isCurrent ? 1 : 0);
  }

  published(kind: ObjectKey['kind']): void {
    this.#metrics.published.inc({ cluster: this.#cluster, kind });
  }

  /** Clocks of two machines: less than nothing counts as nothing. */
  observeDelay(kind: ObjectKey['kind'], delayMs: number): void {
    this.#metrics.delay.observe({ cluster: this.#cluster, kind }, Math.max(0, delayMs) / 1000);
  }
}
