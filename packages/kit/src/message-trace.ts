/**
 * The last span of a trace is that of whoever applies a change. Messages wait until a watermark covers them, and are then
 * applied together; so what is needed of each is kept beside it until that is done.
 */
import type { LogMessage } from '@signalbox/event-log';
import type { SpanInfo, Tracer } from './tracer.ts';

export interface MessageTrace {
  readonly subject: string;
  readonly traceparent: string;
}

/** Undefined for a message that is part of no trace. */
export function traceOf({ subject, headers }: Pick<LogMessage, 'subject' | 'headers'>): MessageTrace | undefined {
  const traceparent = headers?.traceparent;
  return traceparent === undefined ? undefined : { subject, traceparent };
}

/** A span in the trace of each message, all of the same time: they were applied as one. `revision` is the one reached. */
export function traceApplied(
  tracer: Tracer | undefined,
  traces: Iterable<MessageTrace | undefined>,
  { revision, ...info }: Omit<SpanInfo, 'attributes'> & { readonly revision: number },
): void {
  if (tracer === undefined) return;
  for (const trace of traces) {
    if (trace === undefined) continue;
    const attributes = { 'signalbox.revision': revision, 'signalbox.subject': trace.subject };
    tracer.span(trace.traceparent, { ...info, attributes });
  }
}
