/** What the HAProxy driver counts. */
import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, type Registry } from '@signalbox/kit';
import type { ProgrammingOutcome } from './programmer.ts';

export interface DriverMetrics {
  readonly badMessages: Counter;
  readonly failures: Counter;
  recordOutcome(outcome: ProgrammingOutcome): void;
  /** From the decision of the controller to HAProxy following it. */
  recordDelay(seconds: number): void;
}

export interface DriverGauges {
  readonly revision: number;
  readonly isFailing: boolean;
  readonly holdsLease: boolean;
  readonly refusedGroups: number;
}

export function createDriverMetrics(registry: Registry, read: () => DriverGauges): DriverMetrics {
  const registers = [registry];
  registerGauges(registry, read);
  const commands = new Counter({
    name: 'signalbox_haproxy_commands_total',
    help: 'Commands sent to the runtime socket, by type.',
    labelNames: ['type'],
    registers,
  });
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const updates = counter('signalbox_haproxy_updates_total', 'Rounds that changed something in HAProxy.');
  const reloads = counter('signalbox_haproxy_reloads_total', 'Configurations loaded.');
  const drift = counter('signalbox_haproxy_drift_repairs_total', 'Backends that others had changed, put right.');
  const delay = new Histogram({
    name: 'signalbox_haproxy_programming_seconds',
    help: 'From the decision on target groups to HAProxy following it.',
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  return {
    badMessages: counter('signalbox_haproxy_bad_messages_total', 'Messages of the log that could not be read.'),
    failures: counter('signalbox_haproxy_failures_total', 'Rounds that failed.'),
    recordOutcome: (outcome) => {
      if (outcome.isReloaded) reloads.inc();
      if (outcome.isReloaded || outcome.commands.length > 0) updates.inc();
      drift.inc(outcome.drifted.length);
      for (const type of outcome.commands) commands.inc({ type });
    },
    recordDelay: (seconds) => delay.observe(seconds),
  };
}

function registerGauges(registry: Registry, read: () => DriverGauges): void {
  const add = (name: string, help: string, value: () => number): void =>
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(value());
        },
      }),
    );
  add('signalbox_haproxy_revision', 'Revision up to which everything is programmed.', () => read().revision);
  add('signalbox_haproxy_failing', '1 while the last round has failed.', () => Number(read().isFailing));
  add('signalbox_haproxy_lease_held', '1 while this driver may program the class.', () => Number(read().holdsLease));
  add('signalbox_haproxy_refused_groups', 'Target groups that cannot be programmed.', () => read().refusedGroups);
}
