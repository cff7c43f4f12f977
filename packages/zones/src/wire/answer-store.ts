/**
 * One generation of kept answers, in one block of memory: no object for each of them, so nothing to collect, and few
 * places to read for a question. Entries are written end to end and never move; all of them go at once, by `clear`.
 *
 * An entry is a row of words (see `Word`), then a slot and a counter for each name the answer was made from, then the
 * message, with id 0 and the question in lower case. Entries of one bucket are chained.
 */
import type { NameStamp } from './name-versions.ts';
import { lowerCase, type WireQuestion } from './wire-question.ts';

/** Where in an entry which word is. */
export const Word = {
  next: 0,
  hash: 1,
  /** Just after the question, doubled, and 1 for EDNS. */
  asked: 2,
  messageAt: 3,
  messageBytes: 4,
  /** Index into `origins`. */
  origin: 5,
  /** In the message; 0: it has no SOA whose serial it must show. */
  serialAt: 6,
  /** In the message: address records of equal length, one after the other, which may come in any order. 0: none. */
  addressesAt: 7,
  addressesEnd: 8,
  addressBytes: 9,
  /** How often it was copied; says which address is the first. */
  turn: 10,
  epoch: 11,
  stamp: 12,
} as const;

/** What is known of an answer and not written in it. The same for very many answers. */
export interface AnswerOrigin {
  readonly zone: string;
  readonly code: 'NOERROR' | 'NXDOMAIN';
  /** See `Answer`. */
  readonly leadsTo: string | undefined;
}

export interface NewEntry {
  readonly hash: number;
  readonly asked: number;
  readonly message: Uint8Array;
  readonly origin: AnswerOrigin;
  readonly serialAt: number;
  readonly addresses: { readonly start: number; readonly end: number; readonly recordBytes: number } | undefined;
  readonly epoch: number;
  readonly stamp: NameStamp;
}

const HEADER_BYTES = 12;
const BUCKETS = 2 ** 17;
/** Nothing is at the very beginning, so 0 can mean "none". */
const FIRST_WORD = 1;

export class AnswerStore {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly #heads = new Int32Array(BUCKETS);
  readonly #origins: AnswerOrigin[] = [];
  readonly #originIndexes = new Map<string, number>();
  #usedWords = FIRST_WORD;

  /** Memory is taken from the system as it is written to, not before. */
  constructor(maxBytes: number) {
    const buffer = new ArrayBuffer(maxBytes & ~3);
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  get usedBytes(): number {
    return this.#usedWords * 4;
  }

  /** Where the entry for a question is; 0 when there is none. */
  find(packet: Uint8Array, question: WireQuestion): number {
    const { words } = this;
    const { hash } = question;
    const asked = askedWord(question);
    let at = this.#heads[hash & (BUCKETS - 1)] ?? 0;
    while (at !== 0) {
      if (words[at + Word.hash] === hash && words[at + Word.asked] === asked && this.#asksFor(at, packet, question)) {
        return at;
      }
      at = words[at + Word.next] ?? 0;
    }
    return 0;
  }

  /** Where it is now, before any older one with the same question; 0 when there is no room. */
  add(entry: NewEntry): number {
    const at = this.#reserve(Word.stamp + entry.stamp.length, entry.message.length);
    if (at === 0) return 0;
    const { words } = this;
    const messageAt = (at + Word.stamp + entry.stamp.length) * 4;
    words[at + Word.hash] = entry.hash;
    words[at + Word.asked] = entry.asked;
    words[at + Word.messageAt] = messageAt;
    words[at + Word.messageBytes] = entry.message.length;
    words[at + Word.origin] = this.#originIndex(entry.origin);
    words[at + Word.serialAt] = entry.serialAt;
    words[at + Word.addressesAt] = entry.addresses?.start ?? 0;
    words[at + Word.addressesEnd] = entry.addresses?.end ?? 0;
    words[at + Word.addressBytes] = entry.addresses?.recordBytes ?? 0;
    words[at + Word.turn] = 0;
    words[at + Word.epoch] = entry.epoch;
    words.set(entry.stamp, at + Word.stamp);
    this.bytes.set(entry.message, messageAt);
    this.#link(at, entry.hash);
    return at;
  }

  /** The same entry of another store. */
  addFrom(other: AnswerStore, from: number): number {
    const messageAt = other.words[from + Word.messageAt] ?? 0;
    const messageBytes = other.words[from + Word.messageBytes] ?? 0;
    const words = messageAt / 4 - from;
    const at = this.#reserve(words, messageBytes);
    if (at === 0) return 0;
    this.bytes.set(other.bytes.subarray(from * 4, messageAt + messageBytes), at * 4);
    this.words[at + Word.messageAt] = (at + words) * 4;
    this.words[at + Word.origin] = this.#originIndex(other.originOf(from));
    this.#link(at, this.words[at + Word.hash] ?? 0);
    return at;
  }

  originOf(at: number): AnswerOrigin {
    const origin = this.#origins[this.words[at + Word.origin] ?? 0];
    if (origin === undefined) throw new Error('an entry without an origin');
    return origin;
  }

  clear(): void {
    this.#heads.fill(0);
    this.#origins.length = 0;
    this.#originIndexes.clear();
    this.#usedWords = FIRST_WORD;
  }

  #reserve(words: number, messageBytes: number): number {
    const at = this.#usedWords;
    const end = at + words + Math.ceil(messageBytes / 4);
    if (end > this.words.length) return 0;
    this.#usedWords = end;
    return at;
  }

  #asksFor(at: number, packet: Uint8Array, { nameEnd, queryType }: WireQuestion): boolean {
    const { bytes } = this;
    const messageAt = this.words[at + Word.messageAt] ?? 0;
    for (let offset = HEADER_BYTES; offset < nameEnd; offset += 1) {
      if (bytes[messageAt + offset] !== lowerCase(packet[offset] ?? 0)) return false;
    }
    return (((bytes[messageAt + nameEnd] ?? 0) << 8) | (bytes[messageAt + nameEnd + 1] ?? 0)) === queryType;
  }

  #originIndex(origin: AnswerOrigin): number {
    const key = `${origin.code} ${origin.zone} ${origin.leadsTo ?? ''}`;
    const known = this.#originIndexes.get(key);
    if (known !== undefined) return known;
    this.#originIndexes.set(key, this.#origins.length);
    return this.#origins.push(origin) - 1;
  }

  /** In place of what has the same hash: an older answer to the question, or a rare stranger. */
  #link(at: number, hash: number): void {
    const { words } = this;
    const bucket = hash & (BUCKETS - 1);
    const asked = words[at + Word.asked];
    const first = this.#heads[bucket] ?? 0;
    words[at + Word.next] = first;
    this.#heads[bucket] = at;
    for (let before = at, entry = first; entry !== 0; entry = words[entry + Word.next] ?? 0) {
      const isReplaced = words[entry + Word.hash] === hash && words[entry + Word.asked] === asked;
      if (isReplaced) words[before + Word.next] = words[entry + Word.next] ?? 0;
      else before = entry;
    }
  }
}

export function askedWord({ nameEnd, hasEdns }: WireQuestion): number {
  return (nameEnd + 4) * 2 + (hasEdns ? 1 : 0);
}
