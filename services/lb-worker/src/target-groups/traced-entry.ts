import type { AppendEntry } from '@signalbox/event-log';
import type { Tracer } from '@signalbox/kit';
import type { DampingStep } from '@signalbox/registrations';
import type { GroupEntry } from './group-table.ts';

/**
 * The message of a step. The trace of a change goes on to the first set that programs something of it; what damping does
 * later is no part of it.
 */
export function tracedEntry(
  tracer: Tracer,
  entry: GroupEntry,
  { set, change, revision, startMs }: Pick<DampingStep, 'set' | 'change'> & { revision: number; startMs: number },
): AppendEntry {
  const message = { subject: entry.id, data: set ? JSON.stringify(set) : null };
  const { trace } = entry;
  if (trace === undefined) return message;
  if (change === 'update') entry.trace = undefined;
  const attributes = { 'signalbox.revision': revision, 'signalbox.subject': entry.id };
  const traceparent = tracer.span(trace.traceparent, { name: 'decide lb', startMs, endMs: Date.now(), attributes });
  return traceparent === undefined ? message : { ...message, headers: { traceparent } };
}
