/** The short way from a packet to its answer: a plain question, and an answer that was made before. */
import { AnswerCache, type KeptAnswer, WireQuestion, type ZoneIndex } from '@signalbox/zones';
import type { AnswerCounts } from './answer-counts.ts';
import type { QueryAcl } from './query-acl.ts';
import { hashOf, type RateLimiter } from './rate-limiter.ts';
import type { UdpAnswers } from './udp-receiver.ts';
import { withinLimit } from './within-limit.ts';

export interface KeptAnswersSettings {
  readonly maxUdpBytes: number;
  /** See `AnswerCacheSettings`. */
  readonly maxBytes?: number;
}

export class KeptAnswers {
  readonly #cache: AnswerCache;
  readonly #question = new WireQuestion();

  constructor(index: ZoneIndex, { maxUdpBytes, maxBytes }: KeptAnswersSettings) {
    this.#cache = new AnswerCache(index, { maxUdpBytes, ...(maxBytes && { maxBytes }) });
  }

  /**
   * For the first octets, `length` of them. Undefined: the packet has to go the long way. The answer is only good until
   * the next packet.
   */
  find(packet: Uint8Array, length = packet.length): KeptAnswer | undefined {
    return this.#question.read(packet, length) ? this.#cache.find(packet, this.#question) : undefined;
  }

  /** What was found last, for the packet it was found for. */
  copyFound(packet: Uint8Array, target: Uint8Array): void {
    this.#cache.copyFound(packet, this.#question, target);
  }
}

/** What there is to ask before a kept answer may go out. */
export interface ShortWay {
  readonly metrics: { readonly answers: AnswerCounts };
  readonly acl: QueryAcl;
  readonly rateLimiter?: RateLimiter | undefined;
  /** Whether somebody follows an alias out of the zones for this client. */
  readonly forwarder?: { serves(name: string, peer: string): boolean } | undefined;
}

const NOERROR = 0;
const NXDOMAIN = 3;

/** Undefined: there is no kept answer, or none for this client. */
export function findKept(way: ShortWay, kept: KeptAnswers, packet: Uint8Array, peer: string): KeptAnswer | undefined {
  const answer = kept.find(packet);
  if (answer === undefined) return undefined;
  const { zone, leadsTo } = answer.origin;
  if (leadsTo !== undefined && way.forwarder?.serves(leadsTo, peer) === true) return undefined;
  return way.acl.allows(zone, peer) ? answer : undefined;
}

/** What was found last, counted, as a message; undefined where a limit is against it. */
export function copyKept(
  way: ShortWay,
  kept: KeptAnswers,
  { origin, hash, bytes }: KeptAnswer,
  packet: Uint8Array,
  peer: string,
): Uint8Array | undefined {
  const isFound = origin.code === 'NOERROR';
  way.metrics.answers.add('udp', isFound ? NOERROR : NXDOMAIN);
  // Not one buffer for all: the socket may keep it until the network takes it.
  const message = Buffer.allocUnsafe(bytes);
  kept.copyFound(packet, message);
  if (way.rateLimiter === undefined) return message;
  return withinLimit(way, peer, message, isFound ? hash : hashOf(origin.zone, NXDOMAIN));
}

/** The same without anything made for each packet; undefined where who asks makes a difference. */
export function quickAnswers(way: ShortWay, kept: KeptAnswers): UdpAnswers['quick'] {
  if (way.rateLimiter !== undefined || !way.acl.isOpen) return undefined;
  return (data, length, target) => {
    const answer = kept.find(data, length);
    if (answer === undefined || answer.bytes > target.length) return 0;
    const { code, leadsTo } = answer.origin;
    if (leadsTo !== undefined && way.forwarder !== undefined) return 0;
    way.metrics.answers.add('udp', code === 'NOERROR' ? NOERROR : NXDOMAIN);
    kept.copyFound(data, target);
    return answer.bytes;
  };
}
