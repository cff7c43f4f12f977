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

  /** Undefined: the packet has to go the long way. The answer is only good until the next packet. */
  find(packet: Uint8Array): KeptAnswer | undefined {
    return this.#question.read(packet) ? this.#cache.find(packet, this.#question) : undefined;
  }

  /** What was found last, for the packet it was found for. */
  copyFound(packet: Uint8Array, target: Uint8Array): void {
    this.#cache.copyFound(packet, this.#question, target);
  }
}
