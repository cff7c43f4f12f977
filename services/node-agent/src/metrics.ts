/** What the node agent counts. Two metrics have the names that dashboards of kube-proxy look for. */
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@signalbox/kit';
import type { AppliedState, SyncOutcome } from './rules-sync.ts';

export interface AgentMetrics {
  readonly badMessages: Counter;
  readonly lingerEnds: Counter<'end'>;
  record(outcome: SyncOutcome): void;
}

/** Seconds; from what one delta takes to the five minutes that kube-proxy's own buckets end with. */
const PROGRAMMING_BUCKETS_SECONDS = [...LATENCY_BUCKETS_SECONDS, 60, 120, 300];

interface MetricSources {
  readonly state: () => AppliedState;
  readonly queuedSinceMs: () => number | undefined;
  readonly lingering: () => number;
}

export function createAgentMetrics(registry: Registry, sources: MetricSources): AgentMetrics {
  const registers = [registry];
  const startedMs = Date.now();
  registerState(registry, sources);
  const programming = new Histogram({
    name: 'kubeproxy_network_programming_duration_seconds',
    help: 'From the change of a Service or EndpointSlice to the rules of this node following it.',
    buckets: PROGRAMMING_BUCKETS_SECONDS,
    registers,
  });
  const durations = new Histogram({
    name: 'kubeproxy_sync_proxy_rules_duration_seconds',
    help: 'Duration of one transaction.',
    buckets: PROGRAMMING_BUCKETS_SECONDS,
    registers,
  });
  const applies = new Counter({
    name: 'signalbox_agent_applies_total',
    help: 'Transactions, by kind (delta, full) and outcome (ok, failed).',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  return {
    badMessages: new Counter({
      name: 'signalbox_agent_bad_messages_total',
      help: 'Messages of the log that could not be read.',
      registers,
    }),
    lingerEnds: new Counter({
      name: 'signalbox_agent_lingering_ended_total',
      help: 'Addresses and ports that lingered and no longer do, by why (acknowledged, time-limit, taken, no-room).',
      labelNames: ['end'],
      registers,
    }),
    record: ({ kind, seconds, changes, error }) => {
      if (kind === 'none') return;
      durations.observe(seconds);
      applies.inc({ kind, outcome: error === '' ? 'ok' : 'failed' });
      if (error !== '') return;
      for (const { changedAtMs } of changes) {
        // Older changes were applied by an earlier process, if at all: their age says nothing of this one.
        if (changedAtMs !== undefined && changedAtMs >= startedMs)
          programming.observe(Math.max(0, Date.now() - changedAtMs) / 1000);
      }
    },
  };
}

function registerState(registry: Registry, { state, queuedSinceMs, lingering }: MetricSources): void {
  const add = (name: string, help: string, value: () => number): void =>
    registry.registerMetric(gauge(name, help, value));
  add('signalbox_agent_applied_revision', 'Revision that the rules of this node have reached.', () => state().revision);
  add('signalbox_agent_failing', '1 while the last transaction has failed.', () => (state().error === '' ? 0 : 1));
  add(
    'signalbox_agent_skipped_services',
    'Services of which something cannot be programmed.',
    () => state().skippedServices.length,
  );
  add(
    'signalbox_agent_lingering_entries',
    'Addresses and ports that services have no more, kept for DNS servers and load balancers.',
    lingering,
  );
  add('signalbox_agent_lag_seconds', 'For how long the oldest change has waited to be applied; 0: none waits.', () => {
    const since = queuedSinceMs();
    return since === undefined ? 0 : (Date.now() - since) / 1000;
  });
}

function gauge(name: string, help: string, value: () => number): Gauge {
  return new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(value());
    },
  });
}
