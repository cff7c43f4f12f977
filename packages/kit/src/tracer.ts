/**
 * Spans. Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is begun and nothing is sent; a trace that somebody else began is
 * still carried on. With it, spans go to a collector as OTLP/HTTP JSON (https://opentelemetry.io/docs/specs/otlp/#otlphttp),
 * one batch at a time. What comes faster than the collector takes it, and what it does not take, is dropped and counted.
 */
import { randomBytes } from 'node:crypto';
import { errorText, SignalboxError } from '@signalbox/contracts';
import type { Logger } from './logger.ts';
import { childContext, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.ts';
import { type TraceExport, traceExportOf } from './trace-export.ts';

export interface SpanInfo {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

export interface Tracer {
  /** Records a span below the one that `traceparent` names; returns the header to hand on. Undefined: there is no trace. */
  span(traceparent: string | undefined, info: SpanInfo): string | undefined;
  /** The same, and begins a trace where there is none, if spans are exported. */
  root(traceparent: string | undefined, info: SpanInfo): string | undefined;
  /** Sends what is left, as far as the collector takes it in 5 s. */
  close(): Promise<void>;
}

interface OtlpSpan {
  readonly context: TraceContext;
  readonly parentSpanId: string | undefined;
  readonly info: SpanInfo;
}

const MAX_QUEUE = 2048;
const MAX_BATCH = 512;
const FLUSH_MS = 1000;
const TIMEOUT_MS = 5000;

/** Carries traces on, and does nothing else. */
export const PASSIVE_TRACER: Tracer = {
  span: (traceparent) => traceparent,
  root: (traceparent) => traceparent,
  close: async () => {},
};

/** As OpenTelemetry's own variables say; a tracer that only carries traces on when they say nothing. */
export function openTracer(service: string, environment: NodeJS.ProcessEnv, logger: Logger): Tracer {
  const target = traceExportOf(service, environment, logger);
  return target === undefined ? PASSIVE_TRACER : new OtlpTracer(target, logger);
}

class OtlpTracer implements Tracer {
  readonly #target: TraceExport;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #queue: OtlpSpan[] = [];
  #dropped = 0;
  #toldDropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(target: TraceExport, logger: Logger) {
    this.#target = target;
    this.#logger = logger;
  }

  span(traceparent: string | undefined, info: SpanInfo): string | undefined {
    const parent = parseTraceparent(traceparent);
    return parent === undefined ? undefined : this.#record(parent, info);
  }

  root(traceparent: string | undefined, info: SpanInfo): string {
    return this.#record(parseTraceparent(traceparent), info);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const giveUp = setTimeout(() => this.#closing.abort(), TIMEOUT_MS);
    await this.#flush();
    clearTimeout(giveUp);
  }

  #record(parent: TraceContext | undefined, info: SpanInfo): string {
    const context = childContext(parent, (bytes) => randomBytes(bytes).toString('hex'));
    if (context.isSampled) this.#enqueue({ context, parentSpanId: parent?.spanId, info });
    return formatTraceparent(context);
  }

  #enqueue(span: OtlpSpan): void {
    if (this.#queue.length >= MAX_QUEUE) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(span);
    this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_MS).unref();
  }

  #flush(): Promise<void> {
    this.#timer = undefined;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
      const batch = this.#queue.splice(0, MAX_BATCH);
      const reason = await this.#send(batch).then(() => '', errorText);
      if (reason !== '') this.#dropped += batch.length;
      if (this.#dropped === this.#toldDropped) continue;
      this.#toldDropped = this.#dropped;
      this.#logger.warn({ reason: reason || 'the collector is slow', dropped: this.#dropped }, 'spans were dropped');
    }
  }

  async #send(spans: readonly OtlpSpan[]): Promise<void> {
    const { url, headers, service } = this.#target;
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(otlpRequest(service, spans)),
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#closing.signal]),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new SignalboxError('unavailable', `the collector answered ${response.status}`);
  }
}

/** Times in OTLP are nanoseconds, as text, because they are larger than JSON's numbers are exact. */
function otlpRequest(service: string, spans: readonly OtlpSpan[]) {
  const scope = { name: 'signalbox' };
  const resource = { attributes: attributesOf({ 'service.name': service }) };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: spans.map(otlpSpan) }] }] };
}

const INTERNAL = 1;

function otlpSpan({ context, parentSpanId, info }: OtlpSpan) {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name: info.name,
    kind: INTERNAL,
    startTimeUnixNano: nanosOf(info.startMs),
    endTimeUnixNano: nanosOf(Math.max(info.startMs, info.endMs)),
    attributes: attributesOf(info.attributes ?? {}),
  };
}

function nanosOf(milliseconds: number): string {
  return `${BigInt(Math.round(milliseconds * 1000)) * 1000n}`;
}

function attributesOf(values: Readonly<Record<string, string | number>>) {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
  }));
}
