/**
 * At-least-once delivery through a durable pull consumer: the server keeps what is delivered and not acknowledged, delivers
 * it again after `ack_wait`, and stops at `max_ack_pending`.
 */

import { AckPolicy, type ConsumerInfo, DeliverPolicy, JetStreamApiError } from '@nats-io/jetstream';
import { type Msg, nanos } from '@nats-io/transport-node';
import { SignalboxError, type StreamName } from '@signalbox/contracts';
import { closedLog } from '../checks.ts';
import { type ConsumeOptions, DEFAULT_MAX_BATCH, type DeliveredMessage, type Delivery } from '../event-log.ts';
import type { LogContext } from './context.ts';
import type { DeliveryInfo } from './delivery-info.ts';
import { JS_ERROR } from './errors.ts';
import { fromNatsHeaders } from './message-headers.ts';
import { PullReader, type PullSource } from './pull-reader.ts';
import type { PullTarget } from './pull-session.ts';

const ACK = new TextEncoder().encode('+ACK');
const DEFAULT_MAX_IN_FLIGHT = 1000;
const DEFAULT_ACK_WAIT_MS = 30_000;

interface Received {
  readonly message: DeliveredMessage;
  /** Where its acknowledgement goes. */
  readonly reply: string;
}

export class DurableConsumer implements PullSource<Received> {
  readonly #context: LogContext;
  readonly #stream: StreamName;
  readonly #options: ConsumeOptions;
  readonly #reader: PullReader<Received>;

  constructor(context: LogContext, stream: StreamName, options: ConsumeOptions) {
    this.#context = context;
    this.#stream = stream;
    this.#options = options;
    const window = Math.min(DEFAULT_MAX_IN_FLIGHT, options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT);
    this.#reader = new PullReader(this, { ...context, window });
  }

  get reader(): PullReader<Received> {
    return this.#reader;
  }

  async *deliveries(signal: AbortSignal): AsyncGenerator<Delivery> {
    try {
      while (true) {
        const received = await this.#reader.read(this.#options.maxBatch ?? DEFAULT_MAX_BATCH, { signal });
        if (received === undefined) return;
        if (received.length > 0) yield this.#toDelivery(received);
      }
    } finally {
      await this.#reader.close();
    }
  }

  async attach(): Promise<PullTarget> {
    const { manager, subjects } = this.#context;
    const stream = subjects.stream(this.#stream);
    const wanted = {
      durable_name: this.#options.durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      filter_subject: subjects.toNats(this.#options.filter ?? '>'),
      ack_wait: nanos(this.#options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS),
      max_ack_pending: this.#options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT,
      max_deliver: -1,
    };
    const info = await manager.consumers.add(stream, wanted).catch((error: unknown) => {
      // Servers from 2.10 on do not change an existing consumer unless told that it exists.
      if (!(error instanceof JetStreamApiError) || error.code !== JS_ERROR.consumerExists) throw error;
      return manager.consumers.update(stream, this.#options.durable, wanted);
    });
    checkEcho(wanted, info);
    return { stream, consumer: info.name };
  }

  accept(message: Msg, info: DeliveryInfo): Received {
    return {
      reply: message.reply ?? '',
      message: {
        subject: this.#context.subjects.fromNats(message.subject),
        sequence: info.streamSequence,
        storedAtMs: info.storedAtMs,
        data: message.data.length === 0 ? null : message.string(),
        deliveryCount: info.deliveryCount,
        ...fromNatsHeaders(message.headers),
      },
    };
  }

  /** What is lost on the way is delivered again after `ack_wait`. */
  isComplete(): boolean {
    return true;
  }

  async release(_target: PullTarget | undefined, unread: readonly Received[]): Promise<void> {
    if (!this.#context.isConnected()) return;
    this.#answer(unread, nakAfter(0));
  }

  #toDelivery(received: readonly Received[]): Delivery {
    return {
      messages: received.map(({ message }) => message),
      ack: async () => this.#answer(received, ACK),
      retry: async (delayMs) => this.#answer(received, nakAfter(delayMs)),
    };
  }

  /** In one tick, so that the answers to a batch leave in few writes. */
  #answer(received: readonly Received[], payload: Uint8Array): void {
    const { connection } = this.#context;
    if (connection.isClosed()) throw closedLog();
    for (const { reply } of received) connection.publish(reply, payload);
  }
}

function nakAfter(delayMs: number): Uint8Array {
  const delay = delayMs > 0 ? ` ${JSON.stringify({ delay: nanos(delayMs) })}` : '';
  return new TextEncoder().encode(`-NAK${delay}`);
}

function checkEcho(wanted: Partial<ConsumerInfo['config']>, { name, config }: ConsumerInfo): void {
  for (const key of ['filter_subject', 'ack_wait', 'max_ack_pending'] as const) {
    if (config[key] === wanted[key]) continue;
    throw new SignalboxError('invalid', `consumer ${name} has ${key} ${config[key]}, not ${wanted[key]}`);
  }
}
