/**
 * The change feed for any number of HTTP clients. Each is in one of two states:
 *
 *     catching up   reads the changes after its own position from the store, a page at a time, at its own pace
 *     live          is given what happens, encoded once for all and written together every few milliseconds
 *
 * A client becomes live when it has caught up, and falls back to catching up when its connection takes no more: then
 * nothing is queued for it but its position, so a slow client costs no memory, and is never told things out of order.
 */
import type { ChangeData } from '@signalbox/contracts';
import type { Change, ChangeFeed } from '@signalbox/store';

/** Many small changes in one write: writes, not bytes, are what a connection costs. */
const WRITE_INTERVAL_MS = 25;
/** Comments that keep proxies from closing an idle connection, and that find out dead ones. */
const HEARTBEAT_MS = 15_000;
const CATCH_UP_CHANGES = 500;
const MAX_CLIENTS = 5_000;

/** A connection, or what stands for it. */
export interface ChangeSink {
  /** False: no more until `onDrain`. */
  write(chunk: Uint8Array): boolean;
  onDrain(resume: () => void): void;
  end(): void;
}

interface Client {
  readonly sink: ChangeSink;
  /** Position after the last change that it was given. */
  lastId: string;
}

export class ChangeStream {
  readonly #feed: ChangeFeed;
  readonly #revision: () => number;
  readonly #live = new Set<Client>();
  readonly #waiting = new Set<Client>();
  readonly #stopListening: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  #pending: Change[] = [];
  #flushTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `revision` is told with a reset: what a new list would be of. */
  constructor(feed: ChangeFeed, revision: () => number) {
    this.#feed = feed;
    this.#revision = revision;
    this.#stopListening = feed.onChanges((changes) => this.#queue(changes));
    this.#heartbeat = setInterval(() => this.#writeLive(Buffer.from(':\n\n')), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  get clients(): number {
    return this.#live.size + this.#waiting.size;
  }

  get isFull(): boolean {
    return this.#isClosed || this.clients >= MAX_CLIENTS;
  }

  /** Follows from a position, or from now on. Returns a function that ends it. */
  add(sink: ChangeSink, lastId?: string): () => void {
    const client: Client = { sink, lastId: lastId ?? this.#feed.latestId() };
    sink.write(Buffer.from(`retry: 2000\n${lastId === undefined ? `id: ${client.lastId}\n` : ''}\n`));
    this.#catchUp(client);
    return () => {
      this.#live.delete(client);
      this.#waiting.delete(client);
    };
  }

  /** Ends all connections. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    clearInterval(this.#heartbeat);
    clearTimeout(this.#flushTimer);
    for (const client of [...this.#live, ...this.#waiting]) client.sink.end();
    this.#live.clear();
    this.#waiting.clear();
  }

  #queue(changes: readonly Change[]): void {
    if (this.#live.size === 0) return;
    this.#pending.push(...changes);
    this.#flushTimer ??= setTimeout(() => this.#flush(), WRITE_INTERVAL_MS);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const changes = this.#pending;
    this.#pending = [];
    const last = changes.at(-1);
    if (last === undefined) return;
    for (const client of this.#live) client.lastId = last.id;
    this.#writeLive(Buffer.from(changes.map(encodeChange).join('')));
  }

  #writeLive(chunk: Uint8Array): void {
    for (const client of this.#live) {
      if (!client.sink.write(chunk)) this.#wait(client);
    }
  }

  #wait(client: Client): void {
    this.#live.delete(client);
    this.#waiting.add(client);
    client.sink.onDrain(() => {
      if (this.#waiting.delete(client)) this.#catchUp(client);
    });
  }

  #catchUp(client: Client): void {
    // What is pending is in the store already: written out first, so that nobody who becomes live gets it twice.
    this.#flush();
    for (;;) {
      const changes = this.#feed.after(client.lastId, CATCH_UP_CHANGES) ?? [this.#reset()];
      const last = changes.at(-1);
      if (last === undefined) break;
      client.lastId = last.id;
      if (client.sink.write(Buffer.from(changes.map(encodeChange).join('')))) continue;
      this.#wait(client);
      return;
    }
    this.#live.add(client);
  }

  #reset(): Change {
    const data: ChangeData<'reset'> = {
      reason: 'the changes after the given id are not kept',
      revision: this.#revision(),
    };
    return { id: this.#feed.latestId(), event: 'reset', data: JSON.stringify(data) };
  }
}

function encodeChange({ id, event, data }: Change): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;
}
