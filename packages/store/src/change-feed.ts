/**
 * The change feed: every change that the projector stored, numbered, kept for a while, and told to listeners in this
 * process after the commit. An id is `<epoch>-<number>`: numbers rise for ever, the epoch changes when the store is
 * rebuilt, so an id of another store or of before a rebuild is never mistaken for a position in this one.
 */
import { randomBytes } from 'node:crypto';
import type { ChangeData, ChangeEvent } from '@signalbox/contracts';
import { changeEpoch, writeSetting } from './settings.ts';
import type { Store } from './store.ts';

/** Changes kept for followers that were away. At 150 bytes each, some 15 MB. */
const KEPT_CHANGES = 100_000;

export interface Change {
  readonly id: string;
  readonly event: ChangeEvent;
  /** JSON text. */
  readonly data: string;
}

export type ChangeListener = (changes: readonly Change[]) => void;

export class ChangeFeed {
  readonly #store: Store;
  readonly #insert;
  readonly #listeners = new Set<ChangeListener>();
  #epoch: string;
  #pending: Change[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.#insert = store.sqlite.prepare<[string, string]>('insert into changes (event, data) values (?, ?)');
    this.#epoch = changeEpoch(store) ?? this.#newEpoch();
  }

  /** Inside the transaction that stores the change. */
  record<Event extends ChangeEvent>(event: Event, data: ChangeData<Event>): void {
    const text = JSON.stringify(data);
    const { lastInsertRowid } = this.#insert.run(event, text);
    this.#pending.push({ id: `${this.#epoch}-${lastInsertRowid}`, event, data: text });
  }

  /** Inside a transaction that replaced so much that followers have to list again. */
  reset(reason: string, revision: number): void {
    this.#pending = [];
    this.#store.run(this.#store.builder.deleteFrom('changes'));
    this.#epoch = this.#newEpoch();
    this.record('reset', { reason, revision });
  }

  /** After the commit. A listener must not throw, and must not do its work before it returns. */
  publish(): void {
    const changes = this.#pending;
    this.#pending = [];
    if (changes.length === 0) return;
    for (const listener of this.#listeners) listener(changes);
  }

  /** After a transaction that was rolled back. */
  discard(): void {
    this.#pending = [];
    this.#epoch = changeEpoch(this.#store) ?? this.#epoch;
  }

  /** Returns a function that ends it. */
  onChanges(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Position after the last change. */
  latestId(): string {
    return `${this.#epoch}-${this.#lastNumber()}`;
  }

  /** At most `limit` changes after the id, in order; undefined when some of them are not kept, or the id is no position here. */
  after(id: string, limit: number): Change[] | undefined {
    const [, epoch, digits] = /^([0-9a-f]+)-(\d{1,15})$/.exec(id) ?? [];
    const number = Number(digits);
    if (epoch !== this.#epoch || number > this.#lastNumber() || number < this.#firstNumber() - 1) return undefined;
    const query = this.#store.builder.selectFrom('changes').selectAll().where('id', '>', number).orderBy('id');
    return this.#store.all(query.limit(limit)).map((row) => ({ ...row, id: `${this.#epoch}-${row.id}` }));
  }

  /** Removes at most `limit` changes that are more than a follower may miss. Returns how many. */
  prune(limit: number): number {
    const keptFrom = this.#lastNumber() - KEPT_CHANGES;
    const first = this.#firstNumber();
    if (first > keptFrom) return 0;
    return this.#store.run(
      this.#store.builder.deleteFrom('changes').where('id', '<=', Math.min(keptFrom, first + limit - 1)),
    );
  }

  #newEpoch(): string {
    const epoch = randomBytes(6).toString('hex');
    writeSetting(this.#store, 'epoch', epoch);
    return epoch;
  }

  #lastNumber(): number {
    const last = this.#store.builder.selectFrom('changes').select('id').orderBy('id', 'desc').limit(1);
    return this.#store.first(last)?.id ?? 0;
  }

  #firstNumber(): number {
    const first = this.#store.builder.selectFrom('changes').select('id').orderBy('id').limit(1);
    return this.#store.first(first)?.id ?? 1;
  }
}
