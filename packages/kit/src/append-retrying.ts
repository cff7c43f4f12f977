import { errorText, isSignalboxError, type StreamName } from '@signalbox/contracts';
import type { AppendEntry, EventLog } from '@signalbox/event-log';
import pRetry from 'p-retry';

export interface AppendRetryOptions {
  readonly signal: AbortSignal;
  /** Told of each failed attempt. */
  readonly onFailure: (error: unknown, text: string) => void;
}

/**
 * Appends until it succeeds: an event log that is away or full stops its writers, it never makes them lose a change.
 * Back-off with jitter, at most 10 s. Throws what will not go away by itself, and the signal's reason when aborted.
 */
export async function appendRetrying(
  log: EventLog,
  stream: StreamName,
  entries: readonly AppendEntry[],
  options: AppendRetryOptions,
): Promise<number[]> {
  return await pRetry(() => log.appendAll(stream, entries), {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 100,
    maxTimeout: 10_000,
    randomize: true,
    signal: options.signal,
    shouldRetry: ({ error }) => isSignalboxError(error, 'unavailable') || isSignalboxError(error, 'limit'),
    onFailedAttempt: ({ error }) => {
      if (!options.signal.aborted) options.onFailure(error, errorText(error));
    },
  });
}
