/**
 * Spans, and where they go. Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing is begun and nothing is sent; a trace that
 * somebody else began is still carried on. With it, spans go to a collector as OTLP/HTTP JSON
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp), in batches; what a collector does not take is dropped and counted.
 */
import { randomBytes } from 'node:crypto';
import { errorText, SignalboxError } from '@signalbox/contracts';
import type { Logger } from './logger.ts';
import { childContext, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.ts';

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
  /** Sends what is left. */
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
  const base = environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  const traces = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? (base && `${base.replace(/\/$/, '')}/v1/traces`);
  if (!traces || environment.OTEL_SDK_DISABLED === 'true' || environment.OTEL_TRACES_EXPORTER === 'none') {
    return PASSIVE_TRACER;
  }
  if (!/^https?:\/\//.test(traces)) {
    throw new SignalboxError('invalid', `OTEL_EXPORTER_OTLP_ENDPOINT is no http:// or https:// address: ${traces}`);
  }
  return new OtlpTracer({ url: traces, service: environment.OTEL_SERVICE_NAME ?? `signalbox-${service}`, logger });
}

class OtlpTracer implements Tracer {
  readonly #options: { readonly url: string; readonly service: string; readonly logger: Logger };
  #queue: OtlpSpan[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: { url: string; service: string; logger: Logger }) {
    this.#options = options;
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
    this.#flush();
    await this.#sending;
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
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  #flush(): void {
    this.#timer = undefined;
    const spans = this.#queue;
    this.#queue = [];
    for (let start = 0; start < spans.length; start += MAX_BATCH) {
      const batch = spans.slice(start, start + MAX_BATCH);
      this.#sending = this.#sending.then(() => this.#send(batch));
    }
  }

  async #send(spans: readonly OtlpSpan[]): Promise<void> {
    const { url, service, logger } = this.#options;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(otlpRequest(service, spans)),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.arrayBuffer();
      if (!response.ok) throw new SignalboxError('unavailable', `the collector answered ${response.status}`);
    } catch (error) {
      this.#dropped += spans.length;
      logger.warn({ reason: errorText(error), dropped: this.#dropped }, 'spans could not be exported');
    }
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
