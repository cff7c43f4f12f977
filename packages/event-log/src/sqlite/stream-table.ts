/**
 * One stream: a table with a row per subject, ordered by sequence, and a row of totals.
 *
 * A subject that is written again gets a new sequence, so its row moves to the end. The totals are written in the same
 * transaction: the last sequence must never come back, also when the row that had it was compacted away.
 */
import { SignalboxError, type StreamName, subjectMatches } from '@signalbox/contracts';
import type { AppendEntry, LogMessage, MessageHeaders, StreamInfo } from '../event-log.ts';
import { Wakeup } from '../wakeup.ts';
import type { SqliteDatabase } from './database.ts';

interface AppendLimits {
  readonly maxBytes: number;
  readonly nowMs: number;
}

/** Part of a stream, in sequence order. */
export interface StreamPage {
  readonly messages: readonly LogMessage[];
  /** Everything up to here was looked at. */
  readonly sequence: number;
}

interface StoredSize {
  readonly sequence: number;
  readonly bytes: number;
}

const COLUMNS = 'sequence, subject, stored_at AS storedAtMs, data, headers';

/** As stored: headers are JSON text, or null. */
type MessageRow = Omit<LogMessage, 'headers'> & { readonly headers: string | null };

export class StreamTable {
  /** Notified after each change: an append, a compaction, an acknowledgement. */
  readonly changed = new Wakeup();
  readonly #name: StreamName;
  readonly #db: SqliteDatabase;
  readonly #statements: ReturnType<typeof prepareStatements>;
  #totals: StreamInfo;

  constructor(db: SqliteDatabase, name: StreamName) {
    this.#name = name;
    this.#db = db;
    this.#statements = prepareStatements(db, name);
    this.#totals = this.#statements.totals.get(name) ?? { lastSequence: 0, messages: 0, bytes: 0, compactedTo: 0 };
  }

  get totals(): StreamInfo {
    return this.#totals;
  }

  /** Stores all or nothing. Returns the sequence of each. */
  append(entries: readonly AppendEntry[], limits: AppendLimits): number[] {
    return this.#change((totals) => entries.map((entry) => this.#appendOne(totals, entry, limits)));
  }

  last(subject: string): LogMessage | undefined {
    return toMessage(this.#statements.bySubject.get(subject));
  }

  message(sequence: number): LogMessage | undefined {
    return toMessage(this.#statements.bySequence.get(sequence));
  }

  /** What comes after a sequence, at most `limit` messages. */
  read(after: number, filter: string | undefined, limit: number): StreamPage {
    if (after >= this.#totals.lastSequence) return { messages: [], sequence: this.#totals.lastSequence };
    const rows =
      filter === undefined
        ? this.#statements.page.all(after, limit)
        : this.#statements.matchingPage.all(after, globOf(filter), limit);
    const isAll = rows.length < limit;
    // GLOB lets `*` run over dots, so what it finds is a superset.
    const found = filter === undefined ? rows : rows.filter((row) => subjectMatches(filter, row.subject));
    const messages = found.map(messageOf);
    return { messages, sequence: isAll ? this.#totals.lastSequence : (rows.at(-1)?.sequence ?? after) };
  }

  /** Removes tombstones stored before a time. Returns how many. */
  compact(storedBeforeMs: number): number {
    return this.#change((totals) => {
      const found = this.#statements.oldTombstones.get(storedBeforeMs);
      if (found === undefined || found.messages === 0) return 0;
      this.#statements.deleteTombstones.run(storedBeforeMs);
      totals.messages -= found.messages;
      totals.bytes -= found.bytes;
      totals.compactedTo = Math.max(totals.compactedTo, found.lastSequence);
      return found.messages;
    });
  }

  #appendOne(totals: Mutable<StreamInfo>, entry: AppendEntry, { maxBytes, nowMs }: AppendLimits): number {
    const { subject, data, headers, expectedSequence } = entry;
    const replaced = this.#statements.size.get(subject);
    if (expectedSequence !== undefined && expectedSequence !== (replaced?.sequence ?? 0)) {
      const found = replaced === undefined ? 'has no message' : `is at sequence ${replaced.sequence}`;
      throw new SignalboxError('conflict', `${subject} ${found}, not at ${expectedSequence}`);
    }
    const grownBy = Buffer.byteLength(subject) + Buffer.byteLength(data ?? '') - (replaced?.bytes ?? 0);
    // What makes the stream smaller is let in above the limit as well: else a full stream could not be emptied.
    if (grownBy > 0 && totals.bytes + grownBy > maxBytes) {
      throw new SignalboxError(
        'limit',
        `the ${this.#name} stream is full (${maxBytes} bytes): ${subject} was not stored`,
      );
    }
    totals.bytes += grownBy;
    totals.lastSequence += 1;
    if (replaced === undefined) totals.messages += 1;
    else this.#statements.delete.run(replaced.sequence);
    const headersText = headers === undefined ? null : JSON.stringify(headers);
    this.#statements.insert.run(totals.lastSequence, subject, nowMs, data, headersText);
    return totals.lastSequence;
  }

  #change<Result>(work: (totals: Mutable<StreamInfo>) => Result): Result {
    const totals = { ...this.#totals };
    const result = this.#db.transaction(() => {
      const result = work(totals);
      this.#statements.saveTotals.run({ ...totals, name: this.#name });
      return result;
    })();
    this.#totals = totals;
    this.changed.notify();
    return result;
  }
}

function toMessage(row: MessageRow | undefined): LogMessage | undefined {
  return row && messageOf(row);
}

function messageOf({ headers, ...message }: MessageRow): LogMessage {
  return headers === null ? message : { ...message, headers: JSON.parse(headers) as MessageHeaders };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function prepareStatements(db: SqliteDatabase, name: StreamName) {
  const bytes = 'octet_length(subject) + coalesce(octet_length(data), 0)';
  const old = 'data IS NULL AND stored_at < ?';
  return {
    totals: db.prepare<[string], StreamInfo>(
      `SELECT last_sequence AS lastSequence, messages, bytes, compacted_to AS compactedTo FROM streams WHERE name = ?`,
    ),
    saveTotals: db.prepare(
      `UPDATE streams SET last_sequence = :lastSequence, messages = :messages, bytes = :bytes, compacted_to = :compactedTo
       WHERE name = :name`,
    ),
    size: db.prepare<[string], StoredSize>(`SELECT sequence, ${bytes} AS bytes FROM "${name}" WHERE subject = ?`),
    insert: db.prepare(`INSERT INTO "${name}" (sequence, subject, stored_at, data, headers) VALUES (?, ?, ?, ?, ?)`),
    delete: db.prepare(`DELETE FROM "${name}" WHERE sequence = ?`),
    bySubject: db.prepare<[string], MessageRow>(`SELECT ${COLUMNS} FROM "${name}" WHERE subject = ?`),
    bySequence: db.prepare<[number], MessageRow>(`SELECT ${COLUMNS} FROM "${name}" WHERE sequence = ?`),
    page: db.prepare<[number, number], MessageRow>(
      `SELECT ${COLUMNS} FROM "${name}" WHERE sequence > ? ORDER BY sequence LIMIT ?`,
    ),
    matchingPage: db.prepare<[number, string, number], MessageRow>(
      `SELECT ${COLUMNS} FROM "${name}" WHERE sequence > ? AND +subject GLOB ? ORDER BY sequence LIMIT ?`,
    ),
    oldTombstones: db.prepare<[number], { messages: number; bytes: number; lastSequence: number }>(
      `SELECT count(*) AS messages, coalesce(sum(${bytes}), 0) AS bytes, coalesce(max(sequence), 0) AS lastSequence
       FROM "${name}" WHERE ${old}`,
    ),
    deleteTombstones: db.prepare(`DELETE FROM "${name}" WHERE ${old}`),
  };
}

/** A pattern of subjects as SQLite's GLOB; `[` and `?` mean themselves in a subject. */
function globOf(filter: string): string {
  return filter.replaceAll(/[[?]/g, '[$&]').replace(/>$/, '*');
}
