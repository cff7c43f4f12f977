/** Opens the event log of a process on NATS, and waits for what others have to do first. */
import { isSignalboxError } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import pRetry from 'p-retry';
import type { Logger } from './logger.ts';
import { type NatsFlags, natsSettingsOf } from './nats-options.ts';

/**
 * `name` is the service: it decides what is asked of the server (see permissions.ts of the event log). A server that is
 * away or elects a leader, and streams that another service has to make, are waited for; what will not pass is thrown.
 */
export async function openNatsLog(name: string, flags: NatsFlags, logger: Logger): Promise<EventLog> {
  // Loaded here, so that --help and mistyped flags answer at once.
  const { accessOf, openJetStreamEventLog } = await import('@signalbox/event-log');
  const managesStreams = accessOf(name)?.managesStreams ?? true;
  const log = await pRetry(() => openJetStreamEventLog({ ...natsSettingsOf(flags), name, managesStreams }), {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 250,
    maxTimeout: 5000,
    shouldRetry: ({ error }) => isSignalboxError(error, 'unavailable'),
    onFailedAttempt: ({ error, attemptNumber }) => {
      if (isSignalboxError(error, 'unavailable') && (attemptNumber === 1 || attemptNumber % 10 === 0)) {
        logger.warn({ reason: error.message, attempt: attemptNumber }, 'waiting for the event log');
      }
    },
  });
  if (log.caution !== undefined) logger.warn({ reason: log.caution }, 'an old event log');
  return log;
}
