import { Counter, Gauge, Histogram, LATENCY_BUCKETS_SECONDS, oncePerRegistry } from '@signalbox/kit';

/** Once, also when deciding has to be started again. */
export const targetMetrics = oncePerRegistry((registry) => {
  const registers = [registry];
  return {
    decisions: new Counter({
      name: 'signalbox_targets_decisions_total',
      help: 'What was decided of targets',
      labelNames: ['decision'] as const,
      registers,
    }),
    published: new Counter({
      name: 'signalbox_targets_published_total',
      help: 'Sets of target groups published: updates change what is programmed, notes only what is told',
      labelNames: ['change'] as const,
      registers,
    }),
    unchanged: new Counter({
      name: 'signalbox_targets_unchanged_total',
      help: 'Decisions on a Service after which nothing had to be published',
      registers,
    }),
    badMessages: new Counter({
      name: 'signalbox_targets_bad_messages_total',
      help: 'Messages of the log that could not be read',
      registers,
    }),
    waiting: new Gauge({
      name: 'signalbox_targets_rate_limited_services',
      help: 'Services that wait for an update of their class, now',
      registers,
    }),
    held: new Gauge({
      name: 'signalbox_targets_held',
      help: 'Targets that the mass-removal guard holds, now',
      registers,
    }),
    revision: new Gauge({
      name: 'signalbox_targets_watermark_revision',
      help: 'Revision up to which all registrations have been decided on',
      registers,
    }),
    delay: new Histogram({
      name: 'signalbox_targets_publish_delay_seconds',
      help: 'From the change in the cluster to the published update',
      buckets: LATENCY_BUCKETS_SECONDS,
      registers,
    }),
  };
});
export type TargetMetrics = ReturnType<typeof targetMetrics>;
