/**
 * The embedded event log: one SQLite file, one process. Appends, followers and consumers share a connection; a follower
 * reads pages by sequence, so that a replay holds one page in memory, and is woken by the append itself.
 */
import type { StreamName } from '@signalbox/contracts';
import { checkDurable, checkEntry, checkFilter, closedLog } from '../checks.ts';
import type {
  AppendEntry,
  ConsumeOptions,
  Delivery,
  EventLog,
  FollowOptions,
  LogBatch,
  LogLimits,
  LogMessage,
  LogState,
  StreamInfo,
} from '../event-log.ts';
import { DEFAULT_MAX_BATCH, DEFAULT_MAX_BYTES } from '../event-log.ts';
import { nextTurn } from '../wakeup.ts';
import { openDatabase, readLogId, type SqliteDatabase, STREAM_NAMES, wrapSqliteError } from './database.ts';
import { DurablePosition } from './durable-position.ts';
import { PageFollower } from './page-follower.ts';
import { StreamTable } from './stream-table.ts';

export interface SqliteEventLogOptions extends LogLimits {
  /** The file, made when absent; its folder must be there. `:memory:` gives a log that ends with `close`. */
  readonly path: string;
}

const MAX_TURN_MS = 10;

/** Throws `unavailable` when another process (or another log of this one) has the file open. */
export function openSqliteEventLog(options: SqliteEventLogOptions): SqliteEventLog {
  return new SqliteEventLog(openDatabase(options.path), options);
}

export class SqliteEventLog implements EventLog {
  readonly id: string;
  readonly lostConsumers = 0;
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #db: SqliteDatabase;
  readonly #tables: Readonly<Record<StreamName, StreamTable>>;
  readonly #positions = new Map<string, DurablePosition>();
  readonly #listeners = new Set<(state: LogState) => void>();
  readonly #closing = new AbortController();
  #lastTurnMs = 0;

  constructor(db: SqliteDatabase, { path, maxBytes }: SqliteEventLogOptions) {
    this.#db = db;
    this.#path = path;
    this.#maxBytes = maxBytes ?? DEFAULT_MAX_BYTES;
    this.id = readLogId(db);
    const tables = STREAM_NAMES.map((name) => [name, new StreamTable(db, name)] as const);
    this.#tables = Object.fromEntries(tables) as Record<StreamName, StreamTable>;
  }

  get state(): LogState {
    return this.#closing.signal.aborted ? 'closed' : 'connected';
  }

  async append(stream: StreamName, entry: AppendEntry): Promise<number> {
    const [sequence] = await this.#append(stream, [entry]);
    return sequence ?? 0;
  }

  async appendAll(stream: StreamName, entries: readonly AppendEntry[]): Promise<number[]> {
    return entries.length === 0 ? [] : await this.#append(stream, entries);
  }

  async last(stream: StreamName, subject: string): Promise<LogMessage | undefined> {
    return this.#use(() => this.#tables[stream].last(subject));
  }

  follow(stream: StreamName, options: FollowOptions): AsyncIterable<LogBatch> {
    checkFilter(options.filter);
    return this.#follow(stream, options, this.#untilClosed(options.signal));
  }

  consume(stream: StreamName, options: ConsumeOptions): AsyncIterable<Delivery> {
    checkFilter(options.filter);
    checkDurable(options.durable);
    return this.#consume(stream, options, this.#untilClosed(options.signal));
  }

  async compact(stream: StreamName, { storedBeforeMs }: { storedBeforeMs: number }): Promise<number> {
    return this.#use(() => this.#tables[stream].compact(storedBeforeMs));
  }

  async info(stream: StreamName): Promise<StreamInfo> {
    return this.#use(() => ({ ...this.#tables[stream].totals }));
  }

  onStateChange(listener: (state: LogState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.#closing.abort();
    this.#db.close();
    for (const listener of this.#listeners) listener('closed');
    this.#listeners.clear();
  }

  async *#follow(stream: StreamName, options: FollowOptions, signal: AbortSignal): AsyncGenerator<LogBatch> {
    const table = this.#tables[stream];
    const follower = this.#use(() => new PageFollower(table, stream, options));
    while (!signal.aborted) {
      yield* this.#use(() => follower.read());
      if (follower.isAtEnd) await table.changed.wait({ signal });
      else await nextTurn();
    }
  }

  async *#consume(stream: StreamName, options: ConsumeOptions, signal: AbortSignal): AsyncGenerator<Delivery> {
    const table = this.#tables[stream];
    const position = this.#use(() => this.#positionOf(stream, options.durable));
    while (!signal.aborted) {
      const messages = this.#use(() => position.take(options.maxBatch ?? DEFAULT_MAX_BATCH, options, Date.now()));
      if (messages.length > 0) {
        yield {
          messages,
          ack: async () => this.#use(() => position.ack(messages)),
          retry: async (delayMs) => this.#use(() => position.retry(messages, Date.now() + delayMs)),
        };
      } else {
        await this.#whenDue(table, position, options, signal);
      }
    }
  }

  async #whenDue(table: StreamTable, position: DurablePosition, options: ConsumeOptions, signal: AbortSignal) {
    if (position.hasMore(options)) return nextTurn();
    const dueAtMs = position.nextDueAtMs();
    // Not less than 1 ms: timers may fire a little early, and this would spin.
    if (dueAtMs !== undefined) return table.changed.wait({ signal, timeoutMs: Math.max(1, dueAtMs - Date.now()) });
    return table.changed.wait({ signal });
  }

  /** Kept for the life of the log: what one consumer left pending is due for the next one after its time. */
  #positionOf(stream: StreamName, durable: string): DurablePosition {
    const key = `${stream}/${durable}`;
    const known = this.#positions.get(key);
    if (known !== undefined) return known;
    const position = new DurablePosition(this.#db, stream, this.#tables[stream], durable);
    this.#positions.set(key, position);
    return position;
  }

  async #append(stream: StreamName, entries: readonly AppendEntry[]): Promise<number[]> {
    for (const entry of entries) checkEntry(stream, entry);
    const limits = { maxBytes: this.#maxBytes, nowMs: Date.now() };
    const sequences = this.#use(() => this.#tables[stream].append(entries, limits));
    // Nothing here waits for input or output: one append after the other would leave no turn to anything else.
    if (performance.now() - this.#lastTurnMs > MAX_TURN_MS) {
      await nextTurn();
      this.#lastTurnMs = performance.now();
    }
    return sequences;
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }

  #use<Result>(work: () => Result): Result {
    if (this.state === 'closed') throw closedLog();
    try {
      return work();
    } catch (error) {
      throw wrapSqliteError(error, this.#path);
    }
  }
}
