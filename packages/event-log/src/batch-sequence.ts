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
