/** Reads a stream page by page, and tells at the end of which pages it has a state that the stream had. */
import type { StreamName } from '@signalbox/contracts';
import { BatchSequence, MissingSince } from '../batch-sequence.ts';
import { expiredPosition } from '../checks.ts';
import { DEFAULT_MAX_BATCH, type FollowOptions, type LogBatch, type LogMessage } from '../event-log.ts';
import type { StreamPage, StreamTable } from './stream-table.ts';

const ALL = Number.MAX_SAFE_INTEGER;

export class PageFollower {
  readonly #table: StreamTable;
  readonly #stream: StreamName;
  readonly #filter: string | undefined;
  readonly #maxBatch: number;
  readonly #begin: number;
  /** A snapshot cannot miss deletions from before it began: of those subjects it has delivered nothing. */
  readonly #safeTo: number;
  readonly #batches: BatchSequence;
  readonly #missing = new MissingSince();
  #position: number;
  /** Nothing that replaced another message up to the position is still to come. */
  #isWhole = true;

  /** Throws `expired` for a position beyond the end. */
  constructor(table: StreamTable, stream: StreamName, { from, filter, maxBatch }: FollowOptions) {
    this.#table = table;
    this.#stream = stream;
    this.#filter = filter;
    this.#maxBatch = maxBatch ?? DEFAULT_MAX_BATCH;
    this.#begin = table.totals.lastSequence;
    this.#safeTo = from === 'snapshot' ? this.#begin : 0;
    this.#position = from === 'snapshot' ? 0 : from;
    this.#batches = new BatchSequence({ isReplay: from === 'snapshot' });
    if (this.#position <= this.#begin) return;
    throw expiredPosition(stream, this.#position, `is beyond its end (${this.#begin})`);
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#table.totals.lastSequence;
  }

  /** What comes next; nothing when there is nothing to tell. Throws `expired` when a deletion may have been missed. */
  read(): LogBatch[] {
    const { compactedTo } = this.#table.totals;
    if (compactedTo > Math.max(this.#position, this.#safeTo)) {
      throw expiredPosition(this.#stream, this.#position, `is older than what was compacted (${compactedTo})`);
    }
    const isOverdue = this.#missing.isOverdue(!this.#isWhole && this.#position >= this.#begin);
    // Read at once, the rest of the stream is a state that it had, whatever is written while the reader has it.
    const page = this.#table.read(this.#position, this.#filter, isOverdue ? ALL : this.#maxBatch);
    const isToEnd = page.sequence >= this.#table.totals.lastSequence;
    const parts = partsOf(page, this.#maxBatch);
    return parts.flatMap((part, index) => this.#add(part, isToEnd && index === parts.length - 1));
  }

  #add(page: StreamPage, isToEnd: boolean): LogBatch[] {
    const isUnbroken = this.#isWhole && follows(page.messages, this.#position);
    const isInOrder = isUnbroken || (this.#isWhole && isToEnd && page.messages.length === 1);
    this.#position = page.sequence;
    this.#isWhole = isUnbroken || isToEnd;
    return this.#batches.add({ ...page, isInOrder, isCaughtUp: this.#isWhole && this.#position >= this.#begin });
  }
}

/** At most so many messages in each; one part at least. */
function partsOf({ messages, sequence }: StreamPage, maxMessages: number): StreamPage[] {
  const parts: StreamPage[] = [];
  for (let i = maxMessages; i < messages.length; i += maxMessages) {
    const some = messages.slice(i - maxMessages, i);
    parts.push({ messages: some, sequence: some.at(-1)?.sequence ?? sequence });
  }
  return [...parts, { messages: messages.slice(parts.length * maxMessages), sequence }];
}

/** One after the other, none between them. */
function follows(messages: readonly LogMessage[], after: number): boolean {
  return messages.every(({ sequence }, index) => sequence === after + index + 1);
}
