/**
 * Reads a consumer for as long as its reader lives, across disconnects, restarts of the server and consumers that vanish.
 *
 *     detached ──connected: attach()──► attached ──gap, silence, disconnect──► detached (after a pause)
 *        └─────────── an error that will not pass, or close() ───────────► ended
 *
 * Arrived messages wait in a bounded buffer. Requests are sized so that buffered and requested messages together stay
 * within the window: a slow reader stops the delivery, at the server. Unless the source lifts the bound, to get to the end
 * of a stream before it goes on.
 */

import type { Msg } from '@nats-io/transport-node';
import { isSignalboxError, type SignalboxError } from '@signalbox/contracts';
import { type WaitOptions, Wakeup } from '../wakeup.ts';
import type { DeliveryInfo } from './delivery-info.ts';
import { wrapNatsError } from './errors.ts';
import { type PullChannel, PullSession, type PullTarget } from './pull-session.ts';

export interface PullSource<Message> {
  /** Makes sure that the consumer exists. A SignalboxError that is not retryable ends the reader with it. */
  attach(): Promise<PullTarget>;
  /** Undefined when messages before this one are missing: the reader attaches again. */
  accept(message: Msg, info: DeliveryInfo): Message | undefined;
  /** Whether everything up to this message of the consumer has come. */
  isComplete(lastConsumerSequence: number): boolean;
  /** Gives back what was never read, and the consumer where it is not durable. */
  release(target: PullTarget | undefined, unread: readonly Message[]): Promise<void>;
}

interface PullReaderOptions extends PullChannel {
  /** Messages on their way and not read, at most. */
  readonly window: number;
  readonly isConnected: () => boolean;
  /** The consumer was of no use any more, although the connection holds. */
  readonly onConsumerLost: () => void;
}

const PAUSE_MS = 250;
/** Longer without a request, and the server may have dropped an ephemeral consumer (see its inactive_threshold). */
const MAX_IDLE_MS = 60_000;

export class PullReader<Message> {
  readonly #source: PullSource<Message>;
  readonly #options: PullReaderOptions;
  readonly #arrived = new Wakeup();
  readonly #changed = new Wakeup();
  #buffer: Message[] = [];
  #target: PullTarget | undefined;
  #session: PullSession | undefined;
  #lastPullMs = 0;
  #isAwaited = false;
  #isEnded = false;
  #failure: SignalboxError | undefined;
  #released: Promise<void> | undefined;
  readonly #running: Promise<void>;
  /** False: what is buffered does not count; the window is for what is on its way. */
  isBounded = true;

  constructor(source: PullSource<Message>, options: PullReaderOptions) {
    this.#source = source;
    this.#options = options;
    this.#running = this.#run();
  }

  /** Messages that the server may send at once, without waiting for the reader. */
  get outstanding(): number {
    return this.#session?.outstanding ?? 0;
  }

  /**
   * What has arrived, at least one message; empty after `nudge` or the time-out, undefined at the end. Throws what ended
   * the reader, after everything that arrived before it.
   */
  async read(max: number, options: WaitOptions): Promise<Message[] | undefined> {
    if (this.#buffer.length === 0 && !this.#isEnded && !options.signal?.aborted) {
      this.#request();
      await this.#arrived.wait(options);
    }
    if (options.signal?.aborted || (this.#isEnded && this.#failure === undefined)) return undefined;
    const messages = this.#buffer.splice(0, max);
    if (messages.length === 0 && this.#failure !== undefined) throw this.#failure;
    this.#request();
    return messages;
  }

  /** Lets a waiting `read` return. */
  nudge(): void {
    this.#arrived.notify();
  }

  /** Ends the reader with an error. */
  fail(error: SignalboxError): void {
    this.#failure ??= error;
    this.#end();
  }

  /** Its consumer is of no use any more, whatever the server says of it. */
  attachAgain(): void {
    if (this.#session === undefined) return;
    this.#detach();
    this.#options.onConsumerLost();
  }

  disconnected(): void {
    this.#detach();
  }

  connected(): void {
    this.#changed.notify();
  }

  /** Idempotent. Resolves when the server has been told. */
  async close(): Promise<void> {
    this.#end();
    this.#released ??= this.#running.then(() => this.#source.release(this.#target, this.#buffer.splice(0)));
    await this.#released;
  }

  async #run(): Promise<void> {
    let attemptMs = 0;
    while (!this.#isEnded) {
      const isDetached = this.#session === undefined && this.#options.isConnected();
      const pauseMs = attemptMs + PAUSE_MS - Date.now();
      if (!isDetached) {
        await this.#changed.wait();
      } else if (pauseMs > 0) {
        await this.#changed.wait({ timeoutMs: pauseMs });
      } else {
        attemptMs = Date.now();
        await this.#attach();
      }
    }
  }

  async #attach(): Promise<void> {
    try {
      const target = await this.#source.attach();
      this.#target = target;
      if (this.#isEnded || !this.#options.isConnected()) return;
      this.#session = new PullSession(this.#options, target, {
        onMessage: (message, info) => this.#onMessage(message, info),
        onHeartbeat: (last) => (this.#source.isComplete(last) ? this.#request() : this.attachAgain()),
        onLost: () => this.attachAgain(),
      });
      this.#lastPullMs = Date.now();
      this.#request();
    } catch (error) {
      const wrapped = wrapNatsError(error, 'cannot read from the event log');
      if (!isSignalboxError(wrapped, 'unavailable')) this.fail(wrapped);
    }
  }

  #onMessage(message: Msg, info: DeliveryInfo): void {
    const accepted = this.#source.accept(message, info);
    if (accepted === undefined) {
      this.attachAgain();
      return;
    }
    this.#buffer.push(accepted);
    if (!this.isBounded) this.#request();
    if (this.#isAwaited) return;
    // Not at once: by then, everything that came with the same read of the socket has arrived as well.
    this.#isAwaited = true;
    setImmediate(() => {
      this.#isAwaited = false;
      this.#arrived.notify();
    });
  }

  /** Asks for more when half of the window is free. */
  #request(): void {
    const session = this.#session;
    if (session === undefined || !this.#options.isConnected()) return;
    const { window } = this.#options;
    const held = this.isBounded ? this.#buffer.length : 0;
    const free = window - held - session.outstanding;
    if (free < Math.max(1, window / 2)) return;
    if (session.outstanding === 0 && Date.now() - this.#lastPullMs > MAX_IDLE_MS) {
      this.#detach();
      return;
    }
    this.#lastPullMs = Date.now();
    session.pull(free);
  }

  #detach(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#changed.notify();
  }

  #end(): void {
    this.#isEnded = true;
    this.#detach();
    this.#arrived.notify();
  }
}
