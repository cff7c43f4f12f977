import { isSignalboxError } from '@signalbox/contracts';
import { type JetStreamEventLog, type JetStreamEventLogOptions, openJetStreamEventLog } from '@signalbox/event-log';

const PATIENCE_MS = 40_000;

/**
 * As services do: until the streams are made and have leaders. Others may make them at the same time, and servers that
 * are still finding each other (at the start, or after one came back) take longer than a request waits.
 */
export async function openJetStreamPatiently(options: JetStreamEventLogOptions): Promise<JetStreamEventLog> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await openJetStreamEventLog(options);
    } catch (error) {
      if (!isSignalboxError(error, 'unavailable') || Date.now() > deadlineMs) throw error;
    }
  }
}
