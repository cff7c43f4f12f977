/** What transfers, notifications and pushes count. */
import { Counter, Gauge, type Registry } from '@signalbox/kit';
import type { ZoneVersions } from './zone-versions.ts';

export interface TransferMetrics {
  readonly historyBytes: Gauge;
  readonly transfers: Counter<'kind'>;
  readonly notifications: Counter<'result'>;
  readonly pushes: Counter<'result'>;
  readonly pushSkipped: Gauge<'zone' | 'target'>;
}

export function createTransferMetrics(registry: Registry, versions: ZoneVersions): TransferMetrics {
  const registers = [registry];
  const pushes = new Counter({
    name: 'signalbox_dns_pushes_total',
    help: 'Rounds of dynamic updates to another server: incremental, reconciled, failed.',
    labelNames: ['result'],
    registers,
  });
  // Alerts compare them, and Prometheus sees no increase in a series that begins above 0.
  for (const result of ['incremental', 'reconciled', 'failed']) pushes.inc({ result }, 0);
  return {
    historyBytes: new Gauge({
      name: 'signalbox_dns_history_bytes',
      help: 'Changes of zones kept for incremental transfers, estimated.',
      registers,
      collect() {
        this.set(versions.historyBytes);
      },
    }),
    transfers: new Counter({
      name: 'signalbox_dns_transfers_total',
      help: 'Zone transfers begun: whole, incremental, current (nothing to send over this protocol), refused.',
      labelNames: ['kind'],
      registers,
    }),
    notifications: new Counter({
      name: 'signalbox_dns_notifications_total',
      help: 'NOTIFY messages: acknowledged, refused, failed.',
      labelNames: ['result'],
      registers,
    }),
    pushes,
    pushSkipped: new Gauge({
      name: 'signalbox_dns_push_skipped_names',
      help: 'Names that somebody else has at the other server, as of the last time all were compared.',
      labelNames: ['zone', 'target'],
      registers,
    }),
  };
}
