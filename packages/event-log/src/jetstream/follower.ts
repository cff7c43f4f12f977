/**
 * Follows a stream through ephemeral consumers, each of which begins after the last message received: after a disconnect, a
 * restart of the server or a lost message the next one goes on there, without loss or duplicates.
 *
 * With one message per subject, the stream from its beginning is the snapshot. The follower is caught up when it has
 * received the message that was the last one to match its filter when it began, or a later one: messages are replaced by
 * later ones only. If that one was compacted away meanwhile, asking again tells.
 *
 * A follower to which nothing comes asks now and then how far the stream goes, and makes itself another consumer when it stays
 * behind (see `StallWatch`).
 *
 * Compaction must not hide a deletion from a follower that has delivered the value. The compactor announces what it is about
 * to remove and waits (`COMPACTION_GRACE_MS`). A follower to which the server may send at once, and has nothing older to
 * send, receives those tombstones in that time; any other one that is not past them is `expired`.
 */

import { AckPolicy, type ConsumerConfig, DeliverPolicy } from '@nats-io/jetstream';
import { type Msg, nanos, nuid } from '@nats-io/transport-node';
import type { StreamName } from '@signalbox/contracts';
import { BatchSequence, MissingSince } from '../batch-sequence.ts';
import { expiredPosition } from '../checks.ts';
import { DEFAULT_MAX_BATCH, type FollowOptions, type LogBatch, type LogMessage } from '../event-log.ts';
import { type LogContext, readCompactionMark } from './context.ts';
import type { DeliveryInfo } from './delivery-info.ts';
import { fromNatsHeaders } from './message-headers.ts';
import { PullReader, type PullSource } from './pull-reader.ts';
import type { PullTarget } from './pull-session.ts';
import { StallWatch } from './stall-watch.ts';
import { type Place, StateProof } from './state-proof.ts';
import { lastMatching, lastSequence } from './stream-end.ts';

export const COMPACTION_GRACE_MS = 1000;
/** Some of the grace is for the way that the announcement takes. */
const COMPACTION_MARGIN_MS = 300;
const RECHECK_MS = 500;
const WINDOW = 1000;
const INACTIVE_MS = 5 * 60_000;

export interface FollowerOptions extends FollowOptions {
  /** Leaves the data out: that of each message is then `''`, or null for a tombstone. */
  readonly isHeadersOnly?: boolean;
}

interface Received {
  readonly message: LogMessage;
  readonly place: Place;
}

export class Follower implements PullSource<Received> {
  readonly #context: LogContext;
  readonly stream: StreamName;
  readonly #options: FollowerOptions;
  readonly #subject: string;
  /** Then messages are missing all the time, and asking about each would cost more than it tells. */
  readonly #isFiltered: boolean;
  readonly #reader: PullReader<Received>;
  readonly #proof: StateProof;
  /** Of the last message handed to the reader. */
  #delivered: Place;
  /** Up to there the reader has a state. */
  #isState = true;
  /** Nothing that matches was missed up to here, whatever is compacted. */
  #safeTo = 0;
  #begin: number | undefined;
  #caughtUpAt = Number.POSITIVE_INFINITY;
  readonly #missing = new MissingSince();
  readonly #batches: BatchSequence;
  #target: PullTarget | undefined;
  #consumerSequence = 0;
  #pending = 0;
  #askedAtMs = 0;
  readonly #stall = new StallWatch();
  #compaction: { readonly to: number; readonly untilMs: number } | undefined;

  constructor(context: LogContext, stream: StreamName, options: FollowerOptions) {
    this.#context = context;
    this.stream = stream;
    this.#options = options;
    this.#subject = context.subjects.toNats(options.filter ?? '>');
    this.#isFiltered = options.filter !== undefined;
    this.#proof = new StateProof(options.from === 'snapshot' ? 0 : options.from);
    this.#delivered = this.#proof.received;
    this.#batches = new BatchSequence({ isReplay: options.from === 'snapshot' });
    const window = Math.max(WINDOW, options.maxBatch ?? 0);
    this.#reader = new PullReader(this, { ...context, window });
  }

  /** Last sequence received; what comes next is after it. */
  get #position(): number {
    return this.#proof.received.sequence;
  }

  get reader(): PullReader<Received> {
    return this.#reader;
  }

  async *batches(signal: AbortSignal): AsyncGenerator<LogBatch> {
    try {
      while (true) {
        const isAtRest = this.#batches.isCaughtUp && !this.#stall.isSuspicious;
        const wait = { signal, timeoutMs: isAtRest ? this.#context.selfCheckMs : RECHECK_MS };
        const messages = await this.#reader.read(this.#options.maxBatch ?? DEFAULT_MAX_BATCH, wait);
        if (messages === undefined) return;
        yield* this.#toBatches(messages);
        if (this.#isTimeToAsk(messages.length === 0)) yield* await this.#recheck();
      }
    } finally {
      await this.#reader.close();
    }
  }

  /** Tombstones up to a sequence are about to go. */
  compacted(to: number): void {
    this.#compaction = { to, untilMs: Date.now() + COMPACTION_GRACE_MS - COMPACTION_MARGIN_MS };
    this.#verifyCompaction();
  }

  async attach(): Promise<PullTarget> {
    await this.#deleteConsumer();
    this.#compaction = undefined;
    // In this order: a mark that is read first is never above the end that is read second.
    const { compactedTo } = await readCompactionMark(this.#context, this.stream);
    const end = await lastSequence(this.#context, this.stream, this.#position);
    if (this.#begin === undefined) await this.#beginAt(end);
    if (this.#position > end) throw expiredPosition(this.stream, this.#position, `is beyond its end (${end})`);
    this.#expireBelow(compactedTo);
    const { manager, subjects } = this.#context;
    const info = await manager.consumers.add(subjects.stream(this.stream), this.#consumerConfig());
    this.#target = { stream: info.stream_name, consumer: info.name };
    this.#consumerSequence = 0;
    this.#pending = info.num_pending;
    return this.#target;
  }

  accept(message: Msg, info: DeliveryInfo): Received | undefined {
    if (info.consumerSequence !== this.#consumerSequence + 1) return undefined;
    this.#consumerSequence = info.consumerSequence;
    this.#pending = info.pending;
    this.#stall.moved();
    this.#verifyCompaction();
    const place = this.#proof.receive(info.streamSequence, this.#isFiltered && info.pending === 0);
    this.#boundReader();
    return { message: this.#toLogMessage(message, info), place };
  }

  isComplete(lastConsumerSequence: number): boolean {
    return lastConsumerSequence <= this.#consumerSequence;
  }

  async release(): Promise<void> {
    await this.#deleteConsumer();
  }

  async #beginAt(end: number): Promise<void> {
    await this.#findCaughtUp();
    this.#begin = end;
    // A snapshot cannot miss deletions from before it began: of those subjects it has delivered nothing.
    if (this.#options.from === 'snapshot') this.#safeTo = end;
    if (this.#position >= this.#caughtUpAt) this.#reader.nudge();
  }

  /** Returns the sequence of the last message that matches. */
  async #findCaughtUp(): Promise<number> {
    const last = await lastMatching(this.#context, this.stream, this.#subject);
    this.#caughtUpAt = Math.min(this.#caughtUpAt, last);
    return last;
  }

  /** Near the end; and not only there, because a reader may keep up and yet never see that nothing is pending. */
  #isTimeToAsk(isIdle: boolean): boolean {
    if (this.#proof.hasStateAfter(this.#delivered.sequence)) return false;
    if (isIdle) return true;
    if (this.#batches.isCaughtUp) return false;
    const isNearEnd = this.#pending === 0 || Date.now() - this.#askedAtMs >= RECHECK_MS;
    return isNearEnd && !this.#proof.isRunUnbroken;
  }

  /**
   * Asks how far the stream goes. "Nothing pending" beside a message does not say it: the server takes a message away before
   * it counts the one that has replaced it as pending.
   */
  async #recheck(): Promise<LogBatch[]> {
    if (this.#begin === undefined) return [];
    const position = this.#position;
    this.#askedAtMs = Date.now();
    try {
      const end = await this.#findCaughtUp();
      if (!this.#isState) this.#proof.tell(position, end);
      if (this.#stall.isStalled(this.#position, end)) this.#reader.attachAgain();
    } catch {
      // The server does not answer: the next read, or its time-out, asks again.
      return [];
    }
    this.#boundReader();
    return this.#toBatches([]);
  }

  #toBatches(received: readonly Received[]): LogBatch[] {
    this.#verifyCompaction();
    const stateAt = received.findLastIndex(({ place }) => this.#proof.isState(place)) + 1;
    if (stateAt === 0 || stateAt === received.length) return this.#toBatch(received);
    return [...this.#toBatch(received.slice(0, stateAt)), ...this.#toBatch(received.slice(stateAt))];
  }

  #toBatch(received: readonly Received[]): LogBatch[] {
    const [before, wasState] = [this.#delivered, this.#isState];
    this.#delivered = received.at(-1)?.place ?? before;
    this.#isState = this.#proof.isState(this.#delivered);
    const isPastBegin = this.#delivered.sequence >= this.#caughtUpAt;
    if (this.#missing.isOverdue(isPastBegin && !this.#isState)) this.#reader.isBounded = false;
    this.#boundReader();
    const isCaughtUp = this.#isState && isPastBegin;
    if (isCaughtUp) this.#safeTo = Math.max(this.#safeTo, this.#begin ?? 0);
    const isRun = this.#delivered.runFrom <= before.sequence;
    const isInOrder = wasState && (isRun || (this.#isState && received.length === 1));
    const messages = received.map(({ message }) => message);
    return this.#batches.add({ messages, sequence: this.#completeTo(isCaughtUp), isInOrder, isCaughtUp });
  }

  /** What a slow reader needs to have a state has been received: no more than that waits for it. */
  #boundReader(): void {
    this.#reader.isBounded ||= this.#isState || this.#proof.hasStateAfter(this.#delivered.sequence);
  }

  /** Up to here everything has been delivered: beyond the last message when the stream went on without a match. */
  #completeTo(isCaughtUp: boolean): number {
    const { sequence } = this.#delivered;
    return isCaughtUp && sequence === this.#position ? Math.max(sequence, this.#safeTo) : sequence;
  }

  #verifyCompaction(): void {
    if (this.#compaction === undefined) return;
    const { to, untilMs } = this.#compaction;
    if (Date.now() < untilMs) {
      const { outstanding } = this.#reader;
      if (outstanding === 0 || this.#pending > outstanding) return;
      this.#safeTo = Math.max(this.#safeTo, to);
    }
    this.#compaction = undefined;
    this.#expireBelow(to);
  }

  #expireBelow(compactedTo: number): void {
    const position = Math.max(this.#position, this.#safeTo);
    if (compactedTo <= position) return;
    this.#reader.fail(expiredPosition(this.stream, position, `is older than what was compacted (${compactedTo})`));
  }

  #consumerConfig(): Partial<ConsumerConfig> {
    return {
      name: `follow-${nuid.next()}`,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#position + 1,
      filter_subject: this.#subject,
      headers_only: this.#options.isHeadersOnly ?? false,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    };
  }

  #toLogMessage(message: Msg, info: DeliveryInfo): LogMessage {
    return {
      subject: this.#context.subjects.fromNats(message.subject),
      sequence: info.streamSequence,
      storedAtMs: info.storedAtMs,
      data: this.#dataOf(message),
      ...fromNatsHeaders(message.headers),
    };
  }

  #dataOf(message: Msg): string | null {
    if (this.#options.isHeadersOnly) return message.headers?.get('Nats-Msg-Size') === '0' ? null : '';
    return message.data.length === 0 ? null : message.string();
  }

  /** Best effort: the server drops a consumer that nobody reads. */
  async #deleteConsumer(): Promise<void> {
    const target = this.#target;
    this.#target = undefined;
    if (target === undefined || !this.#context.isConnected()) return;
    await this.#context.manager.consumers.delete(target.stream, target.consumer).catch(() => {});
  }
}
