import { setInterval } from 'node:timers';
import type { StreamName } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { Logger } from './logger.ts';

/** A follower that was away for longer has to start from a snapshot, which costs it a replay, not a mistake. */
const KEEP_TOMBSTONES_MS = 24 * 3_600_000;
const INTERVAL_MS = 3_600_000;

/**
 * Removes old tombstones of a stream now and every hour, so that names that come and go do not fill the log. Each stream is
 * compacted by who writes it. Returns what stops it.
 */
export function startCompaction(log: EventLog, stream: StreamName, logger: Logger): () => void {
  const compact = (): void => {
    log.compact(stream, { storedBeforeMs: Date.now() - KEEP_TOMBSTONES_MS }).then(
      (removed) => logger.debug({ stream, removed }, 'tombstones removed'),
      (err: unknown) => logger.warn({ err, stream }, 'tombstones could not be removed, trying again later'),
    );
  };
  const timer = setInterval(compact, INTERVAL_MS);
  timer.unref();
  compact();
  return () => clearInterval(timer);
}
