import { type ErrorCode, isSignalboxError } from '@signalbox/contracts';
import pRetry from 'p-retry';
import type { Membership } from './shares/membership.ts';

interface Patience {
  /** What passes by itself. Default: `unavailable`. */
  readonly codes?: readonly ErrorCode[];
  /** Asked before each further try. Default: always. */
  readonly isWorthIt?: () => boolean;
  readonly signal?: AbortSignal;
}

/**
 * Waits for an event log that is away or elects a leader, as opening it does; at most 5 s between two tries. `work` leaves
 * nothing behind when it fails.
 */
export async function patiently<Result>(
  work: () => Promise<Result>,
  { codes = ['unavailable'], isWorthIt = () => true, signal }: Patience = {},
): Promise<Result> {
  return await pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 250,
    maxTimeout: 5000,
    shouldRetry: ({ error }) => codes.some((code) => isSignalboxError(error, code)) && isWorthIt(),
    ...(signal && { signal }),
  });
}

/** For processes that have not started yet. A heartbeat that came late is no reason to end them either. */
export async function joinPatiently(membership: Membership): Promise<void> {
  await patiently(() => membership.join(), { codes: ['unavailable', 'conflict'] });
}
