import { isSignalboxError } from '@signalbox/contracts';
import pRetry from 'p-retry';
import type { Membership } from './membership.ts';

/** Waits for an event log that is away or elects a leader, as opening it does. For processes that have not started yet. */
export async function joinPatiently(membership: Membership): Promise<void> {
  await pRetry(() => membership.join(), {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 250,
    maxTimeout: 5000,
    shouldRetry: ({ error }) => isSignalboxError(error, 'unavailable') || isSignalboxError(error, 'conflict'),
  });
}
