/**
 * A process that answers over UDP beside the main one, from the same sockets: whichever is free takes the next packet.
 *
 * It has the zones and the answers made from them, and nothing else. What it cannot answer from those goes to the main
 * process: all that is not plain (signatures, transfers, faults), names that are not ours, and everything until the
 * zones have come. So it needs no word of its own for "not synced".
 */
import type { Socket } from 'node:dgram';
import { createLogger } from '@signalbox/kit';
import { loadNative } from '@signalbox/udp-batch';
import { ZoneIndex } from '@signalbox/zones';
import { AnswerCounts } from '../answer-counts.ts';
import { openBatchReceiver } from '../batch-receiver.ts';
import { serveSocket } from '../dgram-receiver.ts';
import { copyKept, findKept, KeptAnswers, quickAnswers, type ShortWay } from '../kept-answers.ts';
import { QueryAcl } from '../query-acl.ts';
import { RateLimiter } from '../rate-limiter.ts';
import type { Peer, UdpAnswers } from '../udp-receiver.ts';
import { ZoneFeed } from '../zone-feed.ts';
import type { AnswerProcessSettings, FromAnswerProcess, ToAnswerProcess } from './messages.ts';

const COUNTS_INTERVAL_MS = 1000;

type SocketMessage = Extract<ToAnswerProcess, { type: 'socket' }>;

class AnswerProcess {
  readonly #index: ZoneIndex;
  readonly #feed: ZoneFeed;
  readonly #kept: KeptAnswers;
  readonly #way: ShortWay;
  /** What is answered from, also while the stream comes again. */
  #revision: number | undefined;
  /** The channel has more to send than is wise: questions are dropped then, as a full socket would. */
  #isChannelFull = false;

  constructor(settings: AnswerProcessSettings) {
    const { ttlSeconds, serverAddresses, pods, rateLimit } = settings;
    this.#index = new ZoneIndex({ ttlSeconds, serverAddresses, ...(pods && { pods }) });
    // The main process reads the same messages, and says what is wrong with them.
    const logger = createLogger({ component: 'dns-server', level: 'silent' });
    this.#feed = new ZoneFeed({
      index: this.#index,
      logger,
      onBadMessage: () => {},
      onServed: () => {
        this.#revision = this.#feed.watermark?.revision;
      },
    });
    this.#kept = new KeptAnswers(this.#index, settings);
    this.#way = {
      metrics: { answers: new AnswerCounts() },
      acl: new QueryAcl(settings.allowQuery),
      rateLimiter: rateLimit && new RateLimiter(rateLimit),
      forwarder: settings.hasForwarder ? { serves: () => true } : undefined,
    };
    setInterval(() => this.sendCounts(), COUNTS_INTERVAL_MS);
  }

  handle(message: Exclude<ToAnswerProcess, { type: 'start' | 'stop' }>, socket: Socket | undefined): void {
    switch (message.type) {
      case 'socket':
        this.#serve(message, socket);
        break;
      case 'namespace':
        this.#index.setNamespace(message.cluster, message.namespace, message.exists);
        break;
      case 'pod':
        this.#index.setPod(message.cluster, message, message.label);
        break;
      case 'batch':
        this.#feed.apply(message.batch);
        send({ type: 'applied', revision: this.#revision });
        break;
      case 'replay':
        this.#feed.beginReplay();
        break;
    }
  }

  sendCounts(): void {
    send({ type: 'counts', counts: this.#way.metrics.answers.take() });
  }

  #serve({ listener, descriptor }: SocketMessage, socket: Socket | undefined): void {
    const answers: UdpAnswers = {
      quick: quickAnswers(this.#way, this.#kept),
      answer: (packet, peer) => {
        const answer = findKept(this.#way, this.#kept, packet, peer.address);
        if (answer !== undefined) return copyKept(this.#way, this.#kept, answer, packet, peer.address);
        this.#handOver(listener, packet, peer);
        return undefined;
      },
    };
    const native = loadNative();
    if (descriptor !== undefined && typeof native === 'object') {
      openBatchReceiver(native, { bind: { descriptor } }, answers);
    } else if (socket !== undefined) {
      // An error of it passes; the main process tells of it.
      serveSocket(socket, answers).onError(() => {});
    }
  }

  #handOver(listener: number, packet: Uint8Array, peer: Peer): void {
    if (this.#isChannelFull) return;
    this.#isChannelFull = !send({ type: 'question', listener, packet, peer }, () => {
      this.#isChannelFull = false;
    });
  }
}

function send(message: FromAnswerProcess, onSent?: () => void): boolean {
  if (!process.connected || process.send === undefined) return false;
  return process.send(message, undefined, undefined, () => onSent?.());
}

let answering: AnswerProcess | undefined;

process.on('message', (message: ToAnswerProcess, handle: unknown) => {
  if (message.type === 'start') answering = new AnswerProcess(message.settings);
  else if (message.type === 'stop') stop();
  else answering?.handle(message, handle as Socket | undefined);
});

/** Counts that were not sent before would be lost. */
function stop(): void {
  answering?.sendCounts();
  process.disconnect();
}

// A stop is the main process's to order; a terminal or a supervisor signals all of them.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.once('disconnect', () => process.exit(0));
send({ type: 'ready' });
