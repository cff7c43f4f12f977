/** The OBJECTS stream into a join, for as long as a worker runs. */
import { isSignalboxError, type ObjectMessage } from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import type { ServiceContext } from './service.ts';
import type { ServiceIndex } from './service-index.ts';

interface ObjectsReader {
  readonly index: ServiceIndex;
  /** The index holds all up to the batch's sequence. The next batch waits for it. */
  readonly onBatch: (batch: LogBatch) => Promise<void>;
  /** The log was compacted past us, or is another one: what it holds comes again from its beginning. */
  readonly onStartOver: () => Promise<void>;
  readonly onBadMessage: () => void;
}

/** Until aborted. Throws what the log says of its failures, and what `onBatch` throws. */
export async function followObjects(
  context: ServiceContext,
  reader: ObjectsReader,
  signal: AbortSignal,
): Promise<void> {
  const { log, logger } = context;
  while (!signal.aborted) {
    try {
      for await (const batch of log.follow('objects', { from: 'snapshot', signal })) {
        for (const message of batch.messages) join(context, reader, message);
        if (batch.isCaughtUp) await reader.onBatch(batch);
      }
      return;
    } catch (err) {
      if (!isSignalboxError(err, 'expired')) throw err;
      logger.warn({ err }, 'replaying the event log');
      await reader.onStartOver();
    }
  }
}

function join({ logger }: ServiceContext, { index, onBadMessage }: ObjectsReader, message: LogMessage): void {
  const { subject, sequence, storedAtMs, data, headers } = message;
  try {
    const value = data === null ? undefined : (JSON.parse(data) as ObjectMessage);
    index.apply({ subject, sequence, storedAtMs, value, traceparent: headers?.traceparent });
  } catch (err) {
    onBadMessage();
    logger.warn({ err, subject, sequence }, 'message left out');
  }
}
