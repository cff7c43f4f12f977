/** When a load balancer has begun to follow a change: the end of the change's trace, and of what its latency is measured by. */
import { serviceKeyText } from '@signalbox/contracts';
import { traceApplied } from '../message-trace.ts';
import { Histogram, LATENCY_BUCKETS_SECONDS } from '../metrics.ts';
import type { ServiceContext } from '../service.ts';
import type { IndexedSet } from './target-feed.ts';

/** Seconds; damping may hold a change back for minutes on purpose. */
const BUCKETS_SECONDS = [...LATENCY_BUCKETS_SECONDS, 60, 120, 300, 600];

interface Programmed {
  readonly index: number;
  readonly programHash: string | undefined;
  readonly changedAtMs: number;
}

export class ProgrammedChanges {
  readonly #context: Pick<ServiceContext, 'tracer'>;
  readonly #loadBalancerClass: string;
  readonly #startedMs = Date.now();
  readonly #duration: Histogram<'class'>;
  /** By service. */
  readonly #programmed = new Map<string, Programmed>();

  constructor(context: Pick<ServiceContext, 'registry' | 'tracer'>, loadBalancerClass: string) {
    this.#context = context;
    this.#loadBalancerClass = loadBalancerClass;
    this.#duration = new Histogram({
      name: 'signalbox_lb_programming_duration_seconds',
      help: 'From the change of a Service or EndpointSlice to its load balancer following it, damping included.',
      labelNames: ['class'],
      buckets: BUCKETS_SECONDS,
      registers: [context.registry],
    });
  }

  /**
   * The load balancer follows this set. Counted once for each change in the cluster, when the first set that programs
   * something of it is in: what damping does later, when nothing has changed, is no latency.
   */
  note({ key, index, set, trace }: IndexedSet, nowMs: number): void {
    const service = serviceKeyText(key);
    const before = this.#programmed.get(service);
    if (before?.index === index) return;
    const { programHash, changedAtMs, revision } = set;
    const isNoted = programHash !== undefined && before?.programHash === programHash;
    this.#programmed.set(service, { index, programHash, changedAtMs: isNoted ? before.changedAtMs : changedAtMs });
    if (isNoted || changedAtMs <= (before?.changedAtMs ?? 0)) return;
    const span = { name: 'apply lb', startMs: set.decidedAtMs, endMs: nowMs, revision };
    traceApplied(this.#context.tracer, [trace], span);
    // What happened before this process began says nothing of how fast it is.
    if (changedAtMs < this.#startedMs) return;
    this.#duration.observe({ class: this.#loadBalancerClass }, Math.max(0, nowMs - changedAtMs) / 1000);
  }

  /** Forgets Services that are in the class no more. */
  retain(services: ReadonlyMap<string, unknown>): void {
    for (const service of this.#programmed.keys()) if (!services.has(service)) this.#programmed.delete(service);
  }
}
