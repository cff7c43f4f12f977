/** What the API tells Prometheus about itself and its store. */
import { LAYERS, WITHDRAWN_STATES } from '@signalbox/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@signalbox/kit';
import { type Projector, type Store, stateRevision } from '@signalbox/store';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { DEFAULT_GRACE_SECONDS, type WithdrawnRecords } from './withdrawn-records.ts';

export interface Measured {
  readonly store: Store;
  readonly projector: Pick<Projector, 'stats'>;
  readonly followers: () => number;
  readonly withdrawn: Pick<WithdrawnRecords, 'list'>;
}

/** Values that are kept anyway, read when Prometheus asks. */
export function registerMetrics(registry: Registry, { store, projector, followers, withdrawn }: Measured): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    const metric: Gauge = new Gauge({ name, help, registers: [registry], collect: () => metric.set(read()) });
  };
  gauge('signalbox_api_revision', 'Highest revision that every layer has derived; 0 before.', () => {
    return stateRevision(store).revision ?? 0;
  });
  gauge('signalbox_api_log_revision', 'Newest revision of the objects stored.', () => stateRevision(store).head);
  gauge('signalbox_api_oldest_revision', 'Oldest revision whose state is kept.', () => stateRevision(store).horizon);
  gauge('signalbox_api_followers', 'Clients that follow the changes.', followers);
  const layers: Gauge<'layer'> = new Gauge({
    name: 'signalbox_api_layer_revision',
    help: 'Revision that a layer has derived.',
    labelNames: ['layer'],
    registers: [registry],
    collect: () => {
      const reached = stateRevision(store).layers;
      for (const layer of LAYERS) layers.set({ layer }, reached[layer] ?? 0);
    },
  });
  registerProjectorMetrics(registry, projector);
  registerWithdrawnRecords(registry, { store, withdrawn });
}

function registerWithdrawnRecords(
  registry: Registry,
  { store, withdrawn }: Pick<Measured, 'store' | 'withdrawn'>,
): void {
  const records: Gauge<'state'> = new Gauge({
    name: 'signalbox_api_withdrawn_records',
    help: 'Addresses that DNS gave out and no longer does, by who may still use them: served, ttl, grace.',
    labelNames: ['state'],
    registers: [registry],
    collect: () => {
      const { revision } = stateRevision(store);
      const graceSeconds = DEFAULT_GRACE_SECONDS;
      const all = revision === undefined ? [] : withdrawn.list({ revision, nowMs: Date.now(), graceSeconds });
      for (const state of WITHDRAWN_STATES) records.set({ state }, all.filter((one) => one.state === state).length);
    },
  });
}

function registerProjectorMetrics(registry: Registry, projector: Measured['projector']): void {
  const counter = (name: string, help: string, read: () => number): void => {
    const metric: Counter = new Counter({
      name,
      help,
      registers: [registry],
      collect: () => {
        metric.reset();
        metric.inc(read());
      },
    });
  };
  counter(
    'signalbox_api_dropped_messages_total',
    'Messages of the log left out because they could not be read.',
    () => {
      return projector.stats().dropped;
    },
  );
  counter('signalbox_api_pruned_rows_total', 'Rows of history forgotten.', () => projector.stats().prunedRows);
  const messages: Counter<'stream'> = new Counter({
    name: 'signalbox_api_projected_messages_total',
    help: 'Messages stored, by stream of the log.',
    labelNames: ['stream'],
    registers: [registry],
    collect: () => {
      messages.reset();
      for (const [stream, count] of Object.entries(projector.stats().messages)) messages.inc({ stream }, count);
    },
  });
}

/** Time from a request to its answer, by the route's pattern; a stream of changes counts until its first byte. */
export function measureRequests(registry: Registry): MiddlewareHandler {
  const seconds = new Histogram({
    name: 'signalbox_api_request_duration_seconds',
    help: 'From a request to its answer.',
    labelNames: ['route', 'status'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [registry],
  });
  return async (c, next) => {
    const startMs = performance.now();
    await next();
    seconds.observe({ route: routePath(c, -1), status: c.res.status }, (performance.now() - startMs) / 1_000);
  };
}
