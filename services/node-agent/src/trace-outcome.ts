import { type Tracer, traceApplied } from '@signalbox/kit';
import type { SyncOutcome } from './rules-sync.ts';

/** The last span of each change that is in now: the transaction that brought it. */
export function traceOutcome(tracer: Tracer | undefined, { changes, revision, seconds }: SyncOutcome): void {
  const endMs = Date.now();
  const traces = changes.map(({ trace }) => trace);
  traceApplied(tracer, traces, { name: 'apply proxy', startMs: endMs - seconds * 1000, endMs, revision });
}
