/** What the webhook driver counts. */
import { Counter, Gauge, type Registry } from '@signalbox/kit';
import type { DeliveryOutcome } from './delivery-outcome.ts';

interface WebhookMetrics {
  readonly badMessages: Counter;
  recordOutcome(type: DeliveryOutcome['type']): void;
}

export interface WebhookGauges {
  readonly revision: number;
  readonly pending: number;
  readonly failingGroups: number;
  readonly holdsLease: boolean;
}

export function createWebhookMetrics(registry: Registry, read: () => WebhookGauges): WebhookMetrics {
  const registers = [registry];
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
  add('signalbox_webhook_revision', 'Revision up to which everything is delivered.', () => read().revision);
  add('signalbox_webhook_pending', 'Messages that wait or are under way.', () => read().pending);
  add(
    'signalbox_webhook_failing_groups',
    'Target groups whose newest state is not delivered.',
    () => read().failingGroups,
  );
  add('signalbox_webhook_lease_held', '1 while this driver may send for the class.', () => Number(read().holdsLease));
  const deliveries = new Counter({
    name: 'signalbox_webhook_deliveries_total',
    help: 'Messages sent, by outcome (delivered, retry, refused, gone).',
    labelNames: ['outcome'],
    registers,
  });
  return {
    badMessages: new Counter({
      name: 'signalbox_webhook_bad_messages_total',
      help: 'Messages of the log that could not be read.',
      registers,
    }),
    recordOutcome: (outcome) => deliveries.inc({ outcome }),
  };
}
