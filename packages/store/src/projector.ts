/**
 * The one writer of a store: follows the four streams of the log, each from its stored position, and writes every batch
 * in one transaction together with the position, so that a crash repeats nothing and loses nothing.
 *
 * A stream without a position, and one whose position the log says is `expired`, is replayed from its snapshot; a store
 * that holds another log's state is emptied first.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isSignalboxError, SignalboxError } from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';
import { ChangeFeed } from './change-feed.ts';
import { clearStore, mismatchWithLog, streamPosition, writePosition } from './positions.ts';
import { DEFAULT_HISTORY_RETENTION, type HistoryRetention, pruneHistory } from './retention.ts';
import type { Store } from './store.ts';
import { type ProjectedStream, type StreamProjection, streamProjections } from './stream-projection.ts';

/** Messages of one transaction: short enough that DNS answers in the same process do not wait long. */
const BATCH_MESSAGES = 256;
const PRUNE_ROWS = 500;
const PRUNE_INTERVAL_MS = 2_000;
const PRUNE_STEP_PAUSE_MS = 50;
const RETRY_DELAY_MS = 500;

/** The part of a pino logger that is used. */
export interface ProjectorLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** The part of a tracer that is used: a span in the trace that `traceparent` names. */
export interface ProjectorTracer {
  span(
    traceparent: string | undefined,
    info: { name: string; startMs: number; endMs: number; attributes: Readonly<Record<string, string | number>> },
  ): unknown;
}

export interface ProjectorOptions {
  readonly store: Store;
  readonly log: EventLog;
  readonly logger: ProjectorLogger;
  /** Absent: no spans. */
  readonly tracer?: ProjectorTracer | undefined;
  readonly historyRetention?: Partial<HistoryRetention>;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export interface ProjectorStats {
  /** Messages written since the start, and those that could not be read. */
  readonly messages: Readonly<Record<ProjectedStream, number>>;
  readonly dropped: number;
  readonly prunedRows: number;
}

const STREAMS: readonly ProjectedStream[] = ['objects', 'derived', 'targets', 'status'];

/** Empties a store of another log; then follows until `stop`. Rejects when the log cannot be asked. */
export async function startProjector(options: ProjectorOptions): Promise<Projector> {
  const mismatch = await mismatchWithLog(options.store, options.log);
  if (mismatch !== undefined) {
    options.logger.warn({ path: options.store.path, reason: mismatch }, 'rebuilding the store from the event log');
    clearStore(options.store);
  }
  return new Projector(options);
}

export class Projector {
  readonly feed: ChangeFeed;
  /** Rejects when the projector cannot go on; pending for ever otherwise. */
  readonly failure: Promise<never>;
  readonly #options: ProjectorOptions;
  readonly #retention: HistoryRetention;
  readonly #abort = new AbortController();
  readonly #work: Promise<unknown>;
  /** Where each stream was read up to; a stream is missing until it was read to its end once. */
  readonly #readTo = new Map<ProjectedStream, number>();
  readonly #messages: Record<ProjectedStream, number> = { objects: 0, derived: 0, targets: 0, status: 0 };
  #dropped = 0;
  #prunedRows = 0;
  #sincePrune = 0;
  readonly #progressListeners = new Set<() => void>();

  constructor(options: ProjectorOptions) {
    this.#options = options;
    this.#retention = { ...DEFAULT_HISTORY_RETENTION, ...options.historyRetention };
    this.feed = new ChangeFeed(options.store);
    const loops = streamProjections(options.store, this.feed).map((projection) => this.#run(projection));
    this.#work = Promise.all([...loops, this.#pruneRegularly()]);
    this.failure = new Promise((_resolve, reject) => {
      this.#work.catch(reject);
    });
    this.failure.catch(() => {});
  }

  /** Every stream has been read to the end that it had at the start, or further. */
  isCaughtUp(): boolean {
    return STREAMS.every((stream) => this.#readTo.has(stream));
  }

  /** Called whenever more of the log is stored. Returns a function that ends it. */
  onProgress(listener: () => void): () => void {
    this.#progressListeners.add(listener);
    return () => this.#progressListeners.delete(listener);
  }

  /**
   * Resolves once all that the log holds now, of the given streams, is stored. Rejects when the projector fails or is
   * stopped before.
   */
  async processAll(streams: readonly ProjectedStream[] = STREAMS): Promise<void> {
    for (const stream of streams) {
      const { lastSequence } = await this.#options.log.info(stream);
      while ((this.#readTo.get(stream) ?? -1) < lastSequence) {
        if (this.#abort.signal.aborted) throw new SignalboxError('unavailable', 'the projector was stopped');
        await Promise.race([this.failure, this.#nextProgress()]);
      }
    }
  }

  stats(): ProjectorStats {
    return { messages: { ...this.#messages }, dropped: this.#dropped, prunedRows: this.#prunedRows };
  }

  /** Finishes the batch under way. The store stays open. Idempotent. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    await this.#work.catch(() => {});
  }

  /** Follows one stream for as long as the projector lives, across interruptions of the log. */
  async #run(projection: StreamProjection): Promise<void> {
    const { stream } = projection;
    let mustResync = stream === 'status';
    while (!this.#abort.signal.aborted) {
      const from = mustResync ? undefined : streamPosition(this.#options.store, stream);
      try {
        await this.#follow(projection, from);
        mustResync = stream === 'status';
        await this.#pause(RETRY_DELAY_MS);
      } catch (error) {
        const isExpired = isSignalboxError(error, 'expired');
        if (!isExpired && !isSignalboxError(error, 'unavailable')) throw error;
        this.#options.logger.warn({ stream, err: error }, 'following the event log was interrupted');
        mustResync = isExpired || stream === 'status';
        if (!isExpired) await this.#pause(RETRY_DELAY_MS);
      }
    }
  }

  async #follow(projection: StreamProjection, from: number | undefined): Promise<void> {
    const { store, log } = this.#options;
    const { stream } = projection;
    let isResync = from === undefined;
    let readTo = from ?? 0;
    if (isResync) projection.beginResync();
    const options = { from: from ?? ('snapshot' as const), maxBatch: BATCH_MESSAGES, signal: this.#abort.signal };
    for await (const batch of log.follow(stream, options)) {
      const startMs = Date.now();
      this.#commit(() => {
        const isWhole = batch.isCaughtUp;
        for (const message of batch.messages) {
          this.#apply(projection, message, { isResync, isWhole, readTo });
          if (isWhole) readTo = message.sequence;
        }
        // Until then the rows are no state of the stream: the position stays where they were.
        if (!batch.isCaughtUp) return;
        if (isResync) projection.endResync(batch.sequence);
        else projection.endBatch?.();
        readTo = batch.sequence;
        writePosition(store, { stream, logId: log.id, sequence: readTo });
      });
      if (!isResync) this.#trace(stream, batch.messages, startMs);
      if (batch.isCaughtUp) {
        isResync = false;
        this.#readTo.set(stream, batch.sequence);
      }
      this.#messages[stream] += batch.messages.length;
      this.#sincePrune += batch.messages.length;
      this.#wake();
      if (this.#sincePrune >= PRUNE_ROWS) this.#prune();
    }
  }

  /** Of the trace of each change; a replay has ended traces only. */
  #trace(stream: ProjectedStream, messages: readonly LogMessage[], startMs: number): void {
    const { tracer, store } = this.#options;
    if (tracer === undefined) return;
    const endMs = Date.now();
    const revision = streamPosition(store, 'objects') ?? 0;
    for (const { subject, headers } of messages) {
      if (headers?.traceparent === undefined) continue;
      const attributes = { 'signalbox.revision': revision, 'signalbox.subject': subject };
      tracer.span(headers.traceparent, { name: `project ${stream}`, startMs, endMs, attributes });
    }
  }

  /** A message that cannot be read is left out, counted and named; it never stops the rest. */
  #apply(
    projection: StreamProjection,
    message: LogMessage,
    { isResync, ...context }: { isResync: boolean; isWhole: boolean; readTo: number },
  ): void {
    try {
      if (isResync) projection.replay(message);
      else projection.follow(message, context);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#dropped += 1;
      const { subject, sequence } = message;
      this.#options.logger.warn({ subject, sequence, err: error }, 'left out a message that cannot be read');
    }
  }

  #commit(work: () => void): void {
    try {
      this.#options.store.transaction(work);
    } catch (error) {
      this.feed.discard();
      throw error;
    }
    this.feed.publish();
  }

  #prune(): number {
    this.#sincePrune = 0;
    const nowMs = (this.#options.now ?? Date.now)();
    const rows = pruneHistory(this.#options.store, this.#retention, { nowMs, limit: PRUNE_ROWS });
    this.#prunedRows += rows;
    return rows + this.feed.prune(PRUNE_ROWS);
  }

  async #pruneRegularly(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const rows = this.#prune();
      await this.#pause(rows >= PRUNE_ROWS ? PRUNE_STEP_PAUSE_MS : PRUNE_INTERVAL_MS);
    }
  }

  #wake(): void {
    for (const listener of this.#progressListeners) listener();
  }

  #nextProgress(): Promise<void> {
    return new Promise((resolve) => {
      const stopListening = this.onProgress(() => {
        stopListening();
        resolve();
      });
    });
  }

  /** Ends early when the projector is stopped. */
  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#abort.signal }).catch(() => {});
  }
}

/** Errors of parsing, as opposed to those of the store. */
function isUnreadable(error: unknown): boolean {
  if (isSignalboxError(error, 'invalid') || error instanceof SyntaxError || error instanceof URIError) return true;
  return error instanceof Error && error.name === 'ZodError';
}
