import { isSignalboxError } from '@signalbox/contracts';
import { type JetStreamEventLog, type JetStreamEventLogOptions, openJetStreamEventLog } from '@signalbox/event-log';

/**
 * As services do: until the streams are made and have leaders. Others may make them at the same time, and servers that
 * are still finding each other (at the start, or after one came back) take longer than a request waits.
 */
export async function openJetStreamPatiently(options: JetStreamEventLogOptions): Promise<JetStreamEventLog> {
  for (;;) {
    const log = await openJetStreamEventLog(options).catch((error: unknown) => {
      if (!isSignalboxError(error, 'unavailable')) throw error;
    });
    if (log !== undefined) return log;
  }
}
