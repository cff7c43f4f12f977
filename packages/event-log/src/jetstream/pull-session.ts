/**
 * One pull consumer, read through one inbox: requests go out, messages and the server's remarks come in.
 *
 * The client's own `consume` either buffers without bound (callback) or gives one message at a time (iterator); this counts
 * what was asked for and not delivered yet, so that the reader decides how much is on its way. Requests never carry
 * `max_bytes`: servers stop delivering on them.
 *
 * A session ends once, with `onLost`: a gap, the consumer gone, or a server that went silent.
 */
import { type Msg, type NatsConnection, nanos, type Subscription } from '@nats-io/transport-node';
import { type DeliveryInfo, parseDeliveryInfo } from './delivery-info.ts';

const EXPIRES_MS = 30_000;
/** Also how soon a consumer is missed whose server died while ours lives. */
const HEARTBEAT_MS = 2000;
/** Two heartbeats may be late. */
const SILENCE_MS = 2.5 * HEARTBEAT_MS;

export interface PullChannel {
  readonly connection: NatsConnection;
  readonly newInbox: () => string;
}

export interface PullTarget {
  readonly stream: string;
  readonly consumer: string;
}

interface PullHandlers {
  onMessage(message: Msg, info: DeliveryInfo): void;
  /** The server says that this was the consumer's last message so far. */
  onHeartbeat(lastConsumerSequence: number): void;
  onLost(): void;
}

export class PullSession {
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #handlers: PullHandlers;
  readonly #subscription: Subscription;
  #outstanding = 0;
  #silence: NodeJS.Timeout | undefined;
  #isOpen = true;

  constructor({ connection, newInbox }: PullChannel, { stream, consumer }: PullTarget, handlers: PullHandlers) {
    this.#connection = connection;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#handlers = handlers;
    this.#inbox = newInbox();
    this.#subscription = connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#onMessage(message);
        else this.#lose();
      },
    });
  }

  /** Messages asked for that have not come yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  pull(count: number): void {
    this.#outstanding += count;
    const request = { batch: count, expires: nanos(EXPIRES_MS), idle_heartbeat: nanos(HEARTBEAT_MS) };
    this.#connection.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
    this.#watchSilence();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#silence);
    this.#subscription.unsubscribe();
  }

  #onMessage(message: Msg): void {
    if (!this.#isOpen) return;
    const info = parseDeliveryInfo(message.reply ?? '');
    if (info === undefined) {
      this.#onStatus(message);
    } else {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#handlers.onMessage(message, info);
    }
    if (this.#isOpen) this.#watchSilence();
  }

  #onStatus({ headers }: Msg): void {
    const code = headers?.code ?? 0;
    if (code === 100) {
      const last = headers?.get('Nats-Last-Consumer');
      if (last) this.#handlers.onHeartbeat(Number(last));
    } else if (code === 404 || code === 408) {
      // The request ended; what it did not deliver will not come any more.
      const left = headers?.get('Nats-Pending-Messages');
      this.#outstanding = left ? Math.max(0, this.#outstanding - Number(left)) : 0;
      this.#handlers.onHeartbeat(0);
    } else {
      this.#lose();
    }
  }

  /** A timer that is moved on at each sign of life; none runs while nothing is asked for. */
  #watchSilence(): void {
    if (this.#outstanding === 0) {
      clearTimeout(this.#silence);
      this.#silence = undefined;
    } else if (this.#silence === undefined) {
      this.#silence = setTimeout(() => this.#lose(), SILENCE_MS);
    } else {
      this.#silence.refresh();
    }
  }

  #lose(): void {
    if (!this.#isOpen) return;
    this.close();
    this.#handlers.onLost();
  }
}
