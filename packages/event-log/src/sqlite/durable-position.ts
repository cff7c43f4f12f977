/**
 * A durable position in a stream: what was delivered and is not acknowledged yet.
 *
 *     new ──take──► pending (due after ackWait) ──ack──► gone; the floor rises to just below the oldest pending one
 *                     ▲   │ due: taken again, deliveryCount + 1
 *                     └───┘ retry(delay): due after the delay
 *
 * Only the floor is stored: after a restart everything above it is delivered again, counted from 1. A pending message
 * whose subject was written again is dropped when it is due: its newer value comes by itself.
 */
import type { StreamName } from '@signalbox/contracts';
import type { ConsumeOptions, DeliveredMessage } from '../event-log.ts';
import type { SqliteDatabase } from './database.ts';
import type { StreamTable } from './stream-table.ts';

interface Pending {
  deliveryCount: number;
  dueAtMs: number;
}

const DEFAULT_MAX_IN_FLIGHT = 1000;
const DEFAULT_ACK_WAIT_MS = 30_000;

export class DurablePosition {
  readonly #table: StreamTable;
  readonly #store: (position: number) => void;
  /** By rising sequence: a redelivered message keeps its place. */
  readonly #pending = new Map<number, Pending>();
  /** Everything up to here has been delivered at least once. */
  #cursor: number;

  constructor(db: SqliteDatabase, stream: StreamName, table: StreamTable, name: string) {
    this.#table = table;
    const read = db.prepare<[string, string], number>('SELECT position FROM consumers WHERE stream = ? AND name = ?');
    const write = db.prepare('INSERT OR REPLACE INTO consumers (stream, name, position) VALUES (?, ?, ?)');
    this.#cursor = read.pluck().get(stream, name) ?? 0;
    this.#store = (position) => write.run(stream, name, position);
  }

  /** What is due now, at most `limit`: first what was delivered before, then what is new. */
  take(limit: number, options: ConsumeOptions, nowMs: number): DeliveredMessage[] {
    const dueAtMs = nowMs + (options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS);
    const again = this.#takeAgain(limit, dueAtMs, nowMs);
    const room = Math.min(limit - again.length, (options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT) - this.#pending.size);
    if (room <= 0) return again;
    const page = this.#table.read(this.#cursor, options.filter, room);
    this.#cursor = page.sequence;
    for (const { sequence } of page.messages) this.#pending.set(sequence, { deliveryCount: 1, dueAtMs });
    return [...again, ...page.messages.map((message) => ({ ...message, deliveryCount: 1 }))];
  }

  /** Whether `take` could give something new that it has not looked at. */
  hasMore(options: ConsumeOptions): boolean {
    const hasRoom = this.#pending.size < (options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT);
    return hasRoom && this.#cursor < this.#table.totals.lastSequence;
  }

  /** When the next message is due again; undefined when none is pending. */
  nextDueAtMs(): number | undefined {
    let next: number | undefined;
    for (const { dueAtMs } of this.#pending.values()) next = Math.min(next ?? dueAtMs, dueAtMs);
    return next;
  }

  ack(messages: readonly DeliveredMessage[]): void {
    for (const { sequence } of messages) this.#pending.delete(sequence);
    const [oldest] = this.#pending.keys();
    this.#store(oldest === undefined ? this.#cursor : oldest - 1);
    this.#table.changed.notify();
  }

  retry(messages: readonly DeliveredMessage[], dueAtMs: number): void {
    for (const { sequence } of messages) {
      const pending = this.#pending.get(sequence);
      if (pending !== undefined) pending.dueAtMs = dueAtMs;
    }
    this.#table.changed.notify();
  }

  #takeAgain(limit: number, dueAtMs: number, nowMs: number): DeliveredMessage[] {
    const messages: DeliveredMessage[] = [];
    for (const [sequence, pending] of this.#pending) {
      if (messages.length === limit) break;
      if (pending.dueAtMs > nowMs) continue;
      const message = this.#table.message(sequence);
      if (message === undefined) {
        this.#pending.delete(sequence);
        continue;
      }
      pending.deliveryCount += 1;
      pending.dueAtMs = dueAtMs;
      messages.push({ ...message, deliveryCount: pending.deliveryCount });
    }
    return messages;
  }
}
