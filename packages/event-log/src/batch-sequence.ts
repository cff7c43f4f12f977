/** What a follower has read → batches, each of which says whether it ends at a state that the stream had. */
import type { LogBatch, LogMessage } from './event-log.ts';

interface ReadPart {
  readonly messages: readonly LogMessage[];
  readonly sequence: number;
  /** Nothing was replaced before or between these messages, except by the only one among them. */
  readonly isInOrder: boolean;
  /** At its end: see `LogBatch`. */
  readonly isCaughtUp: boolean;
}

export class BatchSequence {
  #isCaughtUp = false;
  #isReplay: boolean;

  constructor({ isReplay }: { isReplay: boolean }) {
    this.#isReplay = isReplay;
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** None when there is nothing to tell. */
  add({ messages, sequence, isInOrder, isCaughtUp }: ReadPart): LogBatch[] {
    const wasCaughtUp = this.#isCaughtUp;
    this.#isCaughtUp = isCaughtUp;
    // A reader makes nothing of a snapshot before its end.
    const countsAsItComes = isInOrder || this.#isReplay;
    if (isCaughtUp) this.#isReplay = false;
    if (messages.length === 0) return isCaughtUp && !wasCaughtUp ? [{ messages, sequence, isCaughtUp }] : [];
    if (countsAsItComes || !isCaughtUp) return [{ messages, sequence, isCaughtUp }];
    return [
      { messages, sequence, isCaughtUp: false },
      { messages: [], sequence, isCaughtUp },
    ];
  }
}

/**
 * A reader that is slower than the writers for ever would never have a state that the stream had. After this long the rest
 * of the stream is fetched at once, and kept for it.
 */
const MAX_MISSING_MS = 2000;

/** Since when something is missing. */
export class MissingSince {
  #sinceMs: number | undefined;

  /** True when something has been missing for longer than a reader should wait. */
  isOverdue(isMissing: boolean): boolean {
    const nowMs = Date.now();
    this.#sinceMs = isMissing ? (this.#sinceMs ?? nowMs) : undefined;
    return this.#sinceMs !== undefined && nowMs - this.#sinceMs > MAX_MISSING_MS;
  }
}
