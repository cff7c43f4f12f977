/**
 * Answers as messages, made once per change and copied out for every question.
 *
 * A message is kept under its question, and is good while no name it was made from has changed; the copy gets the asker's
 * id, flags and spelling, the zone's serial, and the next of its addresses in front. Memory is bounded by two generations:
 * when the younger is full it becomes the elder, and what is in neither is made again. Nothing needs to be taken out.
 */
import type { AnswerCode } from '../answer-question.ts';
import { encodeAnswer } from '../encode-answer.ts';
import { TYPE_NAMES } from '../type-names.ts';
import type { ZoneIndex } from '../zone-index.ts';
import type { NameStamp } from './name-versions.ts';
import { lowerCase, questionName, type WireQuestion } from './wire-question.ts';
import { uint16, type WireRecord, wireRecords } from './wire-records.ts';

export interface AnswerCacheSettings {
  /** Longest answer for askers with EDNS; the others get 512 octets. */
  readonly maxUdpBytes: number;
  /** Of one generation, so at most twice this is kept. Default 64 MiB. */
  readonly maxBytes?: number;
}

export interface KeptAnswer {
  readonly zone: string;
  readonly code: AnswerCode;
  /** See `Answer`. */
  readonly leadsTo: string | undefined;
  /** Hash of its question. */
  readonly hash: number;
  /** With id 0 and the question in lower case. Not to be written to. */
  readonly message: Uint8Array;
  readonly hasEdns: boolean;
  readonly questionEnd: number;
  readonly epoch: number;
  readonly madeFrom: NameStamp;
  /** Where the serial of an SOA is; 0 when there is none. */
  readonly serialAt: number;
  readonly addresses: AddressRun | undefined;
  /** How often it was copied; says which address is the first. */
  turn: number;
  next: KeptAnswer | undefined;
}

/** Address records of equal length, one after the other, which may come in any order. */
interface AddressRun {
  readonly start: number;
  readonly end: number;
  readonly recordBytes: number;
}

const HEADER_BYTES = 12;
const PLAIN_BYTES = 512;
const MAX_QUESTION_BYTES = 255 + 4;
const DEFAULT_MAX_BYTES = 64 * 2 ** 20;
const BUCKETS = 2 ** 16;
/** Of an entry, beside its message: about what the objects take. */
const ENTRY_BYTES = 400;
/** Small messages share blocks: thousands of small allocations cost more than what they hold. */
const BLOCK_BYTES = 2 ** 16;
const TYPE_A = 1;
const TYPE_SOA = 6;
const TYPE_AAAA = 28;

type Generation = (KeptAnswer | undefined)[];

export class AnswerCache {
  readonly #index: ZoneIndex;
  readonly #maxUdpBytes: number;
  readonly #maxBytes: number;
  #young: Generation = emptyGeneration();
  #old: Generation = emptyGeneration();
  #youngBytes = 0;
  #block = new Uint8Array(BLOCK_BYTES);
  #blockUsed = 0;
  readonly #scratch: Uint8Array;
  readonly #question = new Uint8Array(MAX_QUESTION_BYTES);

  constructor(index: ZoneIndex, settings: AnswerCacheSettings) {
    this.#index = index;
    this.#maxUdpBytes = settings.maxUdpBytes;
    this.#scratch = new Uint8Array(Math.max(settings.maxUdpBytes, PLAIN_BYTES));
    this.#maxBytes = settings.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /** Octets kept, about. */
  get bytes(): number {
    return this.#youngBytes;
  }

  /**
   * The kept answer, or a new one. Undefined for what is no question about a zone that can be answered from, and for the
   * rare asker that takes more than 512 octets, less than this server's limit, and less than the answer.
   */
  find(packet: Uint8Array, question: WireQuestion): KeptAnswer | undefined {
    const kept = this.#lookUp(this.#young, packet, question) ?? this.#revive(packet, question);
    const answer = kept ?? this.#make(packet, question);
    if (answer === undefined || !question.hasEdns || question.offeredBytes >= this.#maxUdpBytes) return answer;
    return answer.message.length <= Math.max(question.offeredBytes, PLAIN_BYTES) ? answer : undefined;
  }

  /** The message for this asker. `allocate` gives at least so many octets; what is returned is exactly the message. */
  copy(
    answer: KeptAnswer,
    packet: Uint8Array,
    question: WireQuestion,
    allocate: (bytes: number) => Uint8Array,
  ): Uint8Array {
    const { message, serialAt } = answer;
    const copy = allocate(message.length);
    copy.set(message);
    copy[0] = packet[0] ?? 0;
    copy[1] = packet[1] ?? 0;
    copy[2] = (message[2] ?? 0) | ((packet[2] ?? 0) & 1);
    for (let at = HEADER_BYTES; at < question.nameEnd; at += 1) copy[at] = packet[at] ?? 0;
    if (serialAt > 0) setUint32(copy, serialAt, this.#index.serialOf(answer.zone));
    if (answer.hasEdns) copy[copy.length - 4] = question.dnssecOk;
    if (answer.addresses !== undefined) rotate(copy, message, answer.addresses, answer.turn);
    answer.turn += 1;
    return copy;
  }

  #lookUp(generation: Generation, packet: Uint8Array, question: WireQuestion): KeptAnswer | undefined {
    let entry = generation[question.hash & (BUCKETS - 1)];
    while (entry !== undefined) {
      if (entry.hash === question.hash && entry.hasEdns === question.hasEdns && asksFor(entry, packet, question)) {
        return this.#isCurrent(entry) ? entry : undefined;
      }
      entry = entry.next;
    }
    return undefined;
  }

  #isCurrent({ epoch, madeFrom }: KeptAnswer): boolean {
    return epoch === this.#index.epoch && this.#index.versions.isCurrent(madeFrom);
  }

  /** What the elder generation has and is asked for moves to the younger. */
  #revive(packet: Uint8Array, question: WireQuestion): KeptAnswer | undefined {
    const entry = this.#lookUp(this.#old, packet, question);
    return entry && this.#keep({ ...entry, message: this.#store(entry.message), next: undefined });
  }

  #make(packet: Uint8Array, question: WireQuestion): KeptAnswer | undefined {
    const name = questionName(packet, question.nameEnd);
    const type = TYPE_NAMES.get(question.queryType) ?? `TYPE${question.queryType}`;
    const zone = name === undefined ? undefined : this.#index.zoneNameOf(name);
    if (name === undefined || zone === undefined || type === 'AXFR' || type === 'IXFR') return undefined;
    const { answer, names } = this.#index.answerWithNames({ name, type });
    if (answer.code === 'SERVFAIL' || answer.code === 'REFUSED' || answer.isChosen === true) return undefined;
    const { hasEdns, hash } = question;
    const questionEnd = question.nameEnd + 4;
    const options = {
      maxBytes: hasEdns ? this.#maxUdpBytes : PLAIN_BYTES,
      question: this.#lowerCased(packet, question.nameEnd),
      questionName: name,
      udpPayloadSize: hasEdns ? this.#maxUdpBytes : undefined,
      buffer: this.#scratch,
    };
    const message = this.#store(encodeAnswer(answer, options, { id: 0, opcode: 0, isRecursionDesired: false }));
    const madeFrom = this.#index.versions.stamp(names);
    const { code, leadsTo } = answer;
    const shape = { zone, code, leadsTo, hash, message, hasEdns, questionEnd, madeFrom, ...layoutOf(message) };
    return this.#keep({ ...shape, epoch: this.#index.epoch, turn: 0, next: undefined });
  }

  #lowerCased(packet: Uint8Array, nameEnd: number): Uint8Array {
    const question = this.#question.subarray(0, nameEnd + 4 - HEADER_BYTES);
    for (let at = 0; at < question.length; at += 1) {
      const byte = packet[HEADER_BYTES + at] ?? 0;
      question[at] = HEADER_BYTES + at < nameEnd ? lowerCase(byte) : byte;
    }
    return question;
  }

  /** In place of what has the same hash: an older answer to the question, or a rare stranger. */
  #keep(entry: KeptAnswer): KeptAnswer {
    this.#youngBytes += entry.message.length + ENTRY_BYTES;
    if (this.#youngBytes > this.#maxBytes) {
      this.#old = this.#young;
      this.#young = emptyGeneration();
      this.#youngBytes = entry.message.length + ENTRY_BYTES;
    }
    const bucket = entry.hash & (BUCKETS - 1);
    entry.next = without(this.#young[bucket], entry);
    this.#young[bucket] = entry;
    return entry;
  }

  #store(message: Uint8Array): Uint8Array {
    if (this.#blockUsed + message.length > this.#block.length) {
      this.#block = new Uint8Array(Math.max(BLOCK_BYTES, message.length));
      this.#blockUsed = 0;
    }
    const start = this.#blockUsed;
    this.#blockUsed += message.length;
    const stored = this.#block.subarray(start, this.#blockUsed);
    stored.set(message);
    return stored;
  }
}

function emptyGeneration(): Generation {
  return Array.from({ length: BUCKETS });
}

function without(first: KeptAnswer | undefined, { hash, hasEdns }: KeptAnswer): KeptAnswer | undefined {
  const isSame = (entry: KeptAnswer) => entry.hash === hash && entry.hasEdns === hasEdns;
  if (first !== undefined && isSame(first)) return first.next;
  for (let entry = first; entry?.next !== undefined; entry = entry.next) {
    if (isSame(entry.next)) entry.next = entry.next.next;
  }
  return first;
}

function asksFor({ message, questionEnd }: KeptAnswer, packet: Uint8Array, question: WireQuestion): boolean {
  if (questionEnd !== question.nameEnd + 4) return false;
  for (let at = HEADER_BYTES; at < question.nameEnd; at += 1) {
    if (message[at] !== lowerCase(packet[at] ?? 0)) return false;
  }
  return uint16(message, question.nameEnd) === question.queryType;
}

function layoutOf(message: Uint8Array): Pick<KeptAnswer, 'serialAt' | 'addresses'> {
  const records = wireRecords(message) ?? [];
  const soa = records.find((record) => record.type === TYPE_SOA && record.section === 'authority');
  return { serialAt: soa === undefined ? 0 : soa.end - 20, addresses: addressRun(records) };
}

function addressRun(records: readonly WireRecord[]): AddressRun | undefined {
  const isAddress = ({ type, section }: WireRecord) => section === 'answer' && (type === TYPE_A || type === TYPE_AAAA);
  const run = records.filter(isAddress);
  const first = run[0];
  const last = run.at(-1);
  if (first === undefined || last === undefined || run.length < 2) return undefined;
  const recordBytes = first.end - first.start;
  const isEven = run.every(({ start, end }) => end - start === recordBytes);
  return isEven && last.end - first.start === run.length * recordBytes
    ? { start: first.start, end: last.end, recordBytes }
    : undefined;
}

/** Each asker gets another address first, in turn, as from CoreDNS's `loadbalance`: many clients use only the first. */
function rotate(copy: Uint8Array, message: Uint8Array, { start, end, recordBytes }: AddressRun, turn: number): void {
  const shift = (turn * recordBytes) % (end - start);
  if (shift === 0) return;
  for (let from = start, to = start + shift; from < end; from += 1, to += 1) {
    if (to === end) to = start;
    copy[to] = message[from] ?? 0;
  }
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
