/** What the DNS server counts. */
import { Counter, Gauge, Histogram, type Registry } from '@signalbox/kit';
import type { ZoneIndex } from '@signalbox/zones';
import { AnswerCounts } from './answer-counts.ts';
import type { Forwarder } from './forward/forwarder.ts';
import type { Staleness } from './staleness.ts';
import type { ServedChange } from './zone-feed.ts';

export interface DnsMetrics {
  readonly zoneRecords: Gauge<'zone'>;
  readonly stalenessSeconds: Gauge;
  readonly answers: AnswerCounts;
  readonly requestDuration: Histogram;
  readonly badMessages: Counter;
  recordServed(changes: readonly ServedChange[]): void;
}

/** Seconds; an answer from memory takes some microseconds. */
const REQUEST_BUCKETS_SECONDS = [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1];

/** As CoreDNS has them: from a millisecond, each twice the one before, to nine minutes. */
const PROGRAMMING_BUCKETS_SECONDS = Array.from({ length: 20 }, (_, power) => 2 ** power / 1000);

interface MetricSources {
  readonly index: ZoneIndex;
  readonly staleness: Staleness;
  readonly forwarder?: Forwarder | undefined;
}

export function createDnsMetrics(registry: Registry, sources: MetricSources): DnsMetrics {
  const registers = [registry];
  const answers = new AnswerCounts();
  for (const counter of answerCounters(answers)) registry.registerMetric(counter);
  if (sources.forwarder !== undefined) createForwardMetrics(registry, sources.forwarder);
  return {
    answers,
    zoneRecords: new Gauge({
      name: 'signalbox_dns_zone_records',
      help: 'Records of Services in a zone.',
      labelNames: ['zone'],
      registers,
      collect() {
        this.reset();
        for (const zone of sources.index.zones()) this.set({ zone: zone.name }, zone.recordCount);
      },
    }),
    stalenessSeconds: new Gauge({
      name: 'signalbox_dns_staleness_seconds',
      help: 'Seconds since the zones were last known to be current; 0 while they are.',
      registers,
      collect() {
        this.set(sources.staleness.seconds);
      },
    }),
    requestDuration: new Histogram({
      name: 'signalbox_dns_request_duration_seconds',
      help: 'From a packet read to its answer made, of those that are not copies.',
      buckets: REQUEST_BUCKETS_SECONDS,
      registers,
    }),
    recordServed: recordServed(registry),
    badMessages: new Counter({
      name: 'signalbox_dns_bad_messages_total',
      help: 'Messages of the derived stream that could not be read.',
      registers,
    }),
  };
}

/** The DNS programming latency SLI of Kubernetes, under the name and with the label that CoreDNS has for it. */
function recordServed(registry: Registry): (changes: readonly ServedChange[]) => void {
  const startedMs = Date.now();
  const programming = new Histogram({
    name: 'coredns_kubernetes_dns_programming_duration_seconds',
    help: 'From the change of a Service or EndpointSlice to answers following it.',
    labelNames: ['service_kind'],
    buckets: PROGRAMMING_BUCKETS_SECONDS,
    registers: [registry],
  });
  return (changes) => {
    const nowMs = Date.now();
    for (const { serviceKind, changedAtMs } of changes) {
      // Older changes were served by an earlier process, if at all: their age says nothing of this one.
      if (serviceKind === undefined || changedAtMs === undefined || changedAtMs < startedMs) continue;
      programming.observe({ service_kind: serviceKind }, Math.max(0, nowMs - changedAtMs) / 1000);
    }
  };
}

function answerCounters(answers: AnswerCounts): Counter[] {
  const requests = new Counter({
    name: 'signalbox_dns_requests_total',
    help: 'Questions answered.',
    labelNames: ['rcode', 'proto'],
    registers: [],
    collect() {
      this.reset();
      for (const { count, ...labels } of answers.entries()) this.inc(labels, count);
    },
  });
  const limited = new Counter({
    name: 'signalbox_dns_rate_limited_total',
    help: 'Answers over the limit: dropped, or sent truncated.',
    labelNames: ['action'],
    registers: [],
    collect() {
      this.reset();
      for (const { action, count } of answers.limited()) this.inc({ action }, count);
    },
  });
  return [requests, limited];
}

function createForwardMetrics(registry: Registry, forwarder: Forwarder): void {
  const forwarded = new Counter({
    name: 'signalbox_dns_forwarded_total',
    help: 'Questions about other names, by where the answer came from.',
    labelNames: ['outcome'],
    registers: [],
    collect() {
      this.reset();
      for (const [outcome, count] of forwarder.outcomes) this.inc({ outcome }, count);
    },
  });
  const cached = new Gauge({
    name: 'signalbox_dns_forward_cached',
    help: 'Responses of upstreams in memory.',
    registers: [],
    collect() {
      this.set(forwarder.cached);
    },
  });
  const up = new Gauge({
    name: 'signalbox_dns_upstream_up',
    help: '1 while an upstream answers.',
    labelNames: ['upstream'],
    registers: [],
    collect() {
      for (const { upstream, isUp } of forwarder.upstreams()) this.set({ upstream }, isUp ? 1 : 0);
    },
  });
  for (const metric of [cached, up]) registry.registerMetric(metric);
  registry.registerMetric(forwarded);
}
