/** Reads one stream of the log until stopped. While the log is away nothing comes, and what was read before stays true. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSignalboxError, type StreamName } from '@signalbox/contracts';
import type { LogBatch } from '@signalbox/event-log';
import type { ServiceContext } from './service.ts';

const MIN_RETRY_MS = 250;
const MAX_RETRY_MS = 5000;

export interface StreamReader {
  readonly stream: StreamName;
  readonly filter?: string;
  /** The stream comes again from its beginning. */
  beginReplay(): void;
  apply(batch: LogBatch): void;
}

interface Position {
  from: 'snapshot' | number;
  retryInMs: number;
}

/** Goes on where it was after an interruption; from the snapshot where that is no longer possible. */
export async function followStream(context: ServiceContext, reader: StreamReader, signal: AbortSignal): Promise<void> {
  const position: Position = { from: 'snapshot', retryInMs: MIN_RETRY_MS };
  while (!signal.aborted && context.log.state !== 'closed') {
    if (position.from === 'snapshot') reader.beginReplay();
    await followOnce(context, reader, { position, signal });
    await sleep(position.retryInMs, undefined, { signal }).catch(() => {});
    position.retryInMs = Math.min(position.retryInMs * 2, MAX_RETRY_MS);
  }
}

/** Returns when the follow ended, for whatever reason the log has; what the reader throws is a fault of ours. */
async function followOnce(
  { log, logger }: ServiceContext,
  reader: StreamReader,
  { position, signal }: { position: Position; signal: AbortSignal },
): Promise<void> {
  const { stream, filter } = reader;
  try {
    for await (const batch of log.follow(stream, { from: position.from, signal, ...(filter && { filter }) })) {
      reader.apply(batch);
      position.retryInMs = MIN_RETRY_MS;
      if (batch.isCaughtUp) position.from = batch.sequence;
    }
  } catch (error) {
    if (!isSignalboxError(error)) throw error;
    logger.warn({ err: error, stream }, 'stream lost');
    if (isSignalboxError(error, 'expired')) position.from = 'snapshot';
  }
}
