/** What the API tells Prometheus about itself and its store. */
import { CONSUMER_STATES, LAYERS, WITHDRAWN_STATES } from '@signalbox/contracts';
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@signalbox/kit';
import { controllerLease, loadBalancerClasses, type Projector, type Store, stateRevision } from '@signalbox/store';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import { describeConsumers } from './convergence.ts';
import { leaseStatus } from './target-group-views.ts';
import { DEFAULT_GRACE_SECONDS, type WithdrawnRecords } from './withdrawn-records.ts';

export interface Measured {
  readonly store: Store;
  readonly projector: Pick<Projector, 'stats'>;
  readonly followers: () => number;
  readonly waiters: () => number;
  readonly revisionWaiters: () => number;
  readonly withdrawn: Pick<WithdrawnRecords, 'list'>;
}

/** Values that are kept anyway, read when Prometheus asks. */
export function registerMetrics(registry: Registry, measured: Measured): void {
  const { store, projector, followers, waiters, revisionWaiters } = measured;
  const gauge = (name: string, help: string, read: () => number): void => {
    const metric: Gauge = new Gauge({ name, help, registers: [registry], collect: () => metric.set(read()) });
  };
  gauge('signalbox_api_revision', 'Highest revision that every layer has derived; 0 before.', () => {
    return stateRevision(store).revision ?? 0;
  });
  gauge('signalbox_api_log_revision', 'Newest revision of the objects stored.', () => stateRevision(store).head);
  gauge('signalbox_api_oldest_revision', 'Oldest revision whose state is kept.', () => stateRevision(store).horizon);
  gauge('signalbox_api_followers', 'Clients that follow the changes.', followers);
  gauge('signalbox_api_waiters', 'Requests that wait for target groups to change.', waiters);
  gauge('signalbox_api_revision_waiters', 'Requests that wait for the revision they ask for.', revisionWaiters);
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
  registerConsumerMetrics(registry, store);
  registerProjectorMetrics(registry, projector);
  registerWithdrawnRecords(registry, measured);
  registerLeaseMetrics(registry, store);
}

/** A series for every node would be too many; those that are worst are what one looks for. */
const STALEST_CONSUMERS = 20;

function registerConsumerMetrics(registry: Registry, store: Store): void {
  // Metrics are collected in the order in which they are registered: the first one reads for all three.
  const consumers: Gauge<'layer' | 'state'> = new Gauge({
    name: 'signalbox_api_consumers',
    help: 'Node agents, DNS servers and load balancers, by whether they have applied what their layer has derived: applied, lagging, failing.',
    labelNames: ['layer', 'state'],
    registers: [registry],
    collect: () => {
      stalest.reset();
      for (const each of describeConsumers(store, { nowMs: Date.now(), limit: STALEST_CONSUMERS })) {
        const { layer } = each;
        for (const state of CONSUMER_STATES) consumers.set({ layer, state }, each.counts[state]);
        staleness.set({ layer }, each.stalest[0]?.seconds ?? 0);
        for (const { seconds, ...who } of each.stalest) stalest.set({ layer, ...who }, seconds);
      }
    },
  });
  const staleness = new Gauge({
    name: 'signalbox_api_staleness_seconds',
    help: 'Age of the oldest revision that a layer has derived and one of its consumers has not applied; 0: all have all.',
    labelNames: ['layer'],
    registers: [registry],
  });
  const stalest = new Gauge({
    name: 'signalbox_api_consumer_staleness_seconds',
    help: 'The same of each consumer that is behind; of the twenty stalest of each layer.',
    labelNames: ['layer', 'cluster', 'consumer'],
    registers: [registry],
  });
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

/** By class, of which there are few. */
function registerLeaseMetrics(registry: Registry, store: Store): void {
  const held: Gauge<'class'> = new Gauge({
    name: 'signalbox_api_load_balancer_lease_held',
    help: '1: a controller holds the lease of this load-balancer class; 0: it was given back, or is not renewed any more.',
    labelNames: ['class'],
    registers: [registry],
    collect: () => {
      held.reset();
      for (const { loadBalancerClass } of loadBalancerClasses(store)) {
        const lease = controllerLease(store, loadBalancerClass);
        const state = lease && leaseStatus(loadBalancerClass, lease, Date.now()).state;
        if (state !== undefined) held.set({ class: loadBalancerClass }, state === 'held' ? 1 : 0);
      }
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
