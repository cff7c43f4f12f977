/** Keeps the zones fed until stopped. While the log is away the last zones are served, and get stale. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isSignalboxError } from '@signalbox/contracts';
import type { LogState } from '@signalbox/event-log';
import type { ServiceContext } from '@signalbox/kit';
import type { Staleness } from './staleness.ts';
import type { ZoneFeed } from './zone-feed.ts';

const MIN_RETRY_MS = 250;
const MAX_RETRY_MS = 5000;

export interface FollowTarget {
  readonly feed: ZoneFeed;
  readonly staleness: Staleness;
  readonly signal: AbortSignal;
}

/**
 * The whole stream is read, other layers included: documents and watermarks have to come in their common order, and a
 * filter is one pattern.
 */
export async function followDerived(context: ServiceContext, target: FollowTarget): Promise<void> {
  const { feed, staleness, signal } = target;
  const position: Position = { from: 'snapshot', retryInMs: MIN_RETRY_MS };
  const stopListening = context.log.onStateChange((state) => noteState(state, target));
  while (!signal.aborted && context.log.state !== 'closed') {
    await followOnce(context, target, position);
    staleness.markStale();
    if (position.from === 'snapshot') feed.beginReplay();
    await sleep(position.retryInMs, undefined, { signal }).catch(() => {});
    position.retryInMs = Math.min(position.retryInMs * 2, MAX_RETRY_MS);
  }
  stopListening();
}

interface Position {
  from: 'snapshot' | number;
  retryInMs: number;
}

/** Returns when the follow ended, for whatever reason, with the position to go on from. */
async function followOnce({ log, logger }: ServiceContext, target: FollowTarget, position: Position): Promise<void> {
  try {
    for await (const batch of log.follow('derived', { from: position.from, signal: target.signal })) {
      target.feed.apply(batch);
      position.retryInMs = MIN_RETRY_MS;
      if (!batch.isCaughtUp) continue;
      position.from = batch.sequence;
      target.staleness.markCurrent();
    }
  } catch (error) {
    logger.warn({ err: error }, 'derived stream lost');
    if (isSignalboxError(error, 'expired')) position.from = 'snapshot';
  }
}

/** A follow outlives a short absence of the log, and goes on where it was. */
function noteState(state: LogState, { feed, staleness }: FollowTarget): void {
  if (state !== 'connected') staleness.markStale();
  else if (feed.watermark !== undefined) staleness.markCurrent();
}
