/**
 * The event log: a port with two adapters (SQLite, JetStream) that pass one conformance suite.
 *
 * A log has five streams (objects, derived, targets, status, leases). A stream is a sequence of messages, of which only the last one per
 * subject is kept: that is the state of the world. A message without data is a tombstone: the subject is gone. Tombstones
 * stay until `compact` removes them, so that a follower that was away for a while still sees the deletion.
 */
import type { StreamName } from '@signalbox/contracts';

export interface LogMessage {
  readonly subject: string;
  /** Position in the stream, from 1, rising by append order. In the objects stream this is the revision. */
  readonly sequence: number;
  /** When the log stored it, epoch milliseconds. */
  readonly storedAtMs: number;
  /** JSON text; null is a tombstone. */
  readonly data: string | null;
  /** What its writer told beside the value, such as `traceparent`; absent when nothing. Never part of the state. */
  readonly headers?: MessageHeaders;
}

/** Names of small letters, digits and `-`; values of visible ASCII. */
export type MessageHeaders = Readonly<Record<string, string>>;

export interface AppendEntry {
  readonly subject: string;
  readonly data: string | null;
  readonly headers?: MessageHeaders;
  /** Stored only if the subject's last message has this sequence (0: no message), else the append throws `conflict`. */
  readonly expectedSequence?: number;
}

export interface LogBatch {
  /** In sequence order, at least one, except that a batch which is caught up after one that was not may be empty. */
  readonly messages: readonly LogMessage[];
  /** Everything in the stream up to here (that matches the filter) has been delivered, or was replaced since. */
  readonly sequence: number;
  /**
   * What was delivered is the state of the stream (that matches the filter) as it was at `sequence`, and all that it held
   * when the follow began is in it.
   *
   * False at first, and again whenever a message was replaced before it was delivered, until the one that replaced it has
   * come: a slow reader may get message 5, which is about 1 to 4, while 3 is now 7. So what a message says about the
   * stream, as a watermark does, counts from the next batch on that is caught up; which may be empty.
   *
   * It comes to every reader, also to one that is slower than the writers: when something has been missing for 2 s, the
   * rest of the stream, up to its end at that moment, is fetched at once and waits in memory for the reader.
   */
  readonly isCaughtUp: boolean;
}

export interface FollowOptions {
  /** One NATS pattern; everything when absent. */
  readonly filter?: string;
  /**
   * Where to begin: `snapshot` gives the last message of each subject, tombstones included, then follows; a number gives
   * what came after that sequence, and throws `expired` when tombstones after it were compacted away, because the
   * follower could then miss a deletion for ever, or when the log ends before it. A reader so slow that this happens to it
   * on the way gets `expired` as well.
   */
  readonly from: 'snapshot' | number;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal;
  /** Messages in one batch, at most. Default 1,000. */
  readonly maxBatch?: number;
}

export interface ConsumeOptions {
  /** Name of the durable position: the next consumer of this name goes on after what was acknowledged. */
  readonly durable: string;
  readonly filter?: string;
  readonly signal?: AbortSignal;
  readonly maxBatch?: number;
  /** Messages delivered and not yet acknowledged, at most; delivery pauses there. Default 1,000. */
  readonly maxInFlight?: number;
  /** A message that is not acknowledged in this time is delivered again, unless it was replaced. Default 30 s. */
  readonly ackWaitMs?: number;
}

export interface Delivery {
  readonly messages: readonly DeliveredMessage[];
  /** Acknowledges all messages of this delivery. It may be lost with a connection; they come again then. */
  ack(): Promise<void>;
  /** Asks for all of them again, after a delay. */
  retry(delayMs: number): Promise<void>;
}

export interface DeliveredMessage extends LogMessage {
  /** 1 at the first delivery. May begin again when the log is opened anew. */
  readonly deliveryCount: number;
}

export interface StreamInfo {
  /** 0 when the stream never held a message. */
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** A follow from below this sequence is `expired`. */
  readonly compactedTo: number;
}

export type LogState = 'connected' | 'disconnected' | 'closed';

export interface EventLog {
  /** Identity of this log: two logs never share one, so a stored position can be told to be of another log. */
  readonly id: string;
  readonly state: LogState;
  /**
   * How often a reader had to begin anew where it was although the connection held: messages were missing, a server was silent,
   * or its copy of the stream stayed behind. Nothing is lost by it. Always 0 with SQLite.
   */
  readonly lostConsumers: number;

  /**
   * Stores one message. Throws `conflict` when it is not the expected sequence, `limit` when the stream is full,
   * `unavailable` when the log cannot be reached. Returns the sequence.
   */
  append(stream: StreamName, entry: AppendEntry): Promise<number>;

  /**
   * Stores many, in order, far faster than one by one. Returns the sequence of each. When it throws, some of them may have
   * been stored (JetStream; with SQLite none is); also some after the one that failed. Repeating the whole call ends with
   * the last value per subject; but a network may deliver a copy later still, after newer ones, unless an expected sequence
   * refuses it. Entries that have one are never sent twice: `unavailable` then means that they may or may not have been
   * stored.
   */
  appendAll(stream: StreamName, entries: readonly AppendEntry[]): Promise<number[]>;

  /** The last message of a subject, tombstones included; undefined when there is none. */
  last(stream: StreamName, subject: string): Promise<LogMessage | undefined>;

  /** Replays, then follows, until the signal or `close`. The reader's pace is the delivery's pace. */
  follow(stream: StreamName, options: FollowOptions): AsyncIterable<LogBatch>;

  /** At-least-once delivery with a durable position. */
  consume(stream: StreamName, options: ConsumeOptions): AsyncIterable<Delivery>;

  /** Removes tombstones stored before the given time. Returns how many. */
  compact(stream: StreamName, options: { storedBeforeMs: number }): Promise<number>;

  info(stream: StreamName): Promise<StreamInfo>;

  /** Called at each change of `state`; returns a function that stops it. */
  onStateChange(listener: (state: LogState) => void): () => void;

  /** Ends all follows and consumers, waits for appends under way, releases files and sockets. Idempotent. */
  close(): Promise<void>;
}

/** Bounds of a log. A stream that is full refuses appends; it never drops a subject's last value. */
export interface LogLimits {
  /** Per stream. Default 2 GiB. */
  readonly maxBytes?: number;
}

export const DEFAULT_MAX_BYTES = 2 * 1024 ** 3;
export const DEFAULT_MAX_BATCH = 1000;
