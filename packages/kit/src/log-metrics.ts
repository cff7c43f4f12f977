import type { EventLog } from '@signalbox/event-log';
import { Counter, Gauge, type Registry } from './metrics.ts';

/** What a process sees of the event log. */
export function measureLog(log: EventLog, registry: Registry): void {
  const connected = new Gauge({
    name: 'signalbox_log_connected',
    help: '1: the event log can be reached; 0: appends wait, and nothing new comes',
    registers: [],
    collect() {
      this.set(log.state === 'connected' ? 1 : 0);
    },
  });
  const lostConsumers = new Counter({
    name: 'signalbox_log_lost_consumers_total',
    help: 'How often a reader of the event log had to begin anew where it was although the connection held',
    registers: [],
    collect() {
      this.reset();
      this.inc(log.lostConsumers);
    },
  });
  for (const metric of [connected, lostConsumers]) registry.registerMetric(metric);
}
