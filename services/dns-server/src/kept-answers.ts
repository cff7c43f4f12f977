/** The short way from a packet to its answer: a plain question, and an answer that was made before. */
import { AnswerCache, type KeptAnswer, WireQuestion, type ZoneIndex } from '@signalbox/zones';

export interface KeptAnswersSettings {
  readonly maxUdpBytes: number;
}

export class KeptAnswers {
  readonly #cache: AnswerCache;
  readonly #question = new WireQuestion();

  constructor(index: ZoneIndex, settings: KeptAnswersSettings) {
    this.#cache = new AnswerCache(index, settings);
  }

  /** Undefined: the packet has to go the long way. The answer is only good for `copy` of the same packet. */
  find(packet: Uint8Array): KeptAnswer | undefined {
    return this.#question.read(packet) ? this.#cache.find(packet, this.#question) : undefined;
  }

  copy(answer: KeptAnswer, packet: Uint8Array): Uint8Array {
    // Not one buffer for all: the socket may keep it until the network takes it.
    return this.#cache.copy(answer, packet, this.#question, (bytes) => Buffer.allocUnsafe(bytes));
  }
}
