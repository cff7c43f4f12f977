/**
 * Answers as messages, made once per change and copied out for every question.
 *
 * A message is kept under its question, and is good while no name it was made from has changed; the copy gets the asker's
 * id, flags and spelling, the zone's serial, and the next of its addresses in front. Memory is bounded by two generations:
 * when the younger is full it becomes the elder, and what is in neither is made again. Nothing needs to be taken out.
 */
import { encodeAnswer } from '../encode-answer.ts';
import { TYPE_NAMES } from '../type-names.ts';
import type { ZoneIndex } from '../zone-index.ts';
import { type AnswerOrigin, AnswerStore, askedWord, Word } from './answer-store.ts';
import { lowerCase, questionName, type WireQuestion } from './wire-question.ts';
import { type WireRecord, wireRecords } from './wire-records.ts';

export interface AnswerCacheSettings {
  /** Longest answer for askers with EDNS; the others get 512 octets. */
  readonly maxUdpBytes: number;
  /** Of one generation, so at most twice this is kept. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** Good until the next `find`. */
export interface KeptAnswer {
  readonly origin: AnswerOrigin;
  /** Hash of its question. */
  readonly hash: number;
  /** Length of the message. */
  readonly bytes: number;
}

const HEADER_BYTES = 12;
const PLAIN_BYTES = 512;
const MAX_QUESTION_BYTES = 255 + 4;
const DEFAULT_MAX_BYTES = 64 * 2 ** 20;
const TYPE_A = 1;
const TYPE_SOA = 6;
const TYPE_AAAA = 28;
const NO_ORIGIN: AnswerOrigin = { zone: '', code: 'NXDOMAIN', leadsTo: undefined };

export class AnswerCache {
  readonly #index: ZoneIndex;
  readonly #maxUdpBytes: number;
  readonly #maxBytes: number;
  #young: AnswerStore;
  #old: AnswerStore | undefined;
  readonly #scratch: Uint8Array;
  readonly #question = new Uint8Array(MAX_QUESTION_BYTES);
  /** What `find` found, in the younger generation. One object for all: making one costs as much as finding. */
  readonly #found = { origin: NO_ORIGIN, hash: 0, bytes: 0, at: 0 };

  constructor(index: ZoneIndex, settings: AnswerCacheSettings) {
    this.#index = index;
    this.#maxUdpBytes = settings.maxUdpBytes;
    this.#scratch = new Uint8Array(Math.max(settings.maxUdpBytes, PLAIN_BYTES));
    this.#maxBytes = settings.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#young = new AnswerStore(this.#maxBytes);
  }

  /** Octets kept in the younger generation. */
  get bytes(): number {
    return this.#young.usedBytes;
  }

  /**
   * The kept answer, or a new one. Undefined for what is no question about a zone that can be answered from, and for the
   * rare asker that takes more than 512 octets, less than this server's limit, and less than the answer.
   */
  find(packet: Uint8Array, question: WireQuestion): KeptAnswer | undefined {
    const kept = this.#young.find(packet, question);
    const at = kept !== 0 && this.#isCurrent(this.#young, kept) ? kept : this.#bring(packet, question);
    if (at === 0) return undefined;
    const bytes = this.#young.words[at + Word.messageBytes] ?? 0;
    const isShort = question.hasEdns && question.offeredBytes < this.#maxUdpBytes;
    if (isShort && bytes > Math.max(question.offeredBytes, PLAIN_BYTES)) return undefined;
    const found = this.#found;
    found.origin = this.#young.originOf(at);
    found.hash = question.hash;
    found.bytes = bytes;
    found.at = at;
    return found;
  }

  /** Writes what was found last for this asker, to the beginning of `target`, which has room for `bytes` of it. */
  copyFound(packet: Uint8Array, question: WireQuestion, target: Uint8Array): void {
    const { at, bytes: length, origin } = this.#found;
    const { words, bytes } = this.#young;
    const messageAt = words[at + Word.messageAt] ?? 0;
    const { nameEnd } = question;
    target[0] = packet[0] ?? 0;
    target[1] = packet[1] ?? 0;
    target[2] = (bytes[messageAt + 2] ?? 0) | ((packet[2] ?? 0) & 1);
    copyBytes(bytes, messageAt, target, 3, HEADER_BYTES);
    copyBytes(packet, 0, target, HEADER_BYTES, nameEnd);
    copyBytes(bytes, messageAt, target, nameEnd, length);
    const serialAt = words[at + Word.serialAt] ?? 0;
    if (serialAt > 0) setUint32(target, serialAt, this.#index.serialOf(origin.zone));
    if (question.hasEdns) target[length - 4] = question.dnssecOk;
    if ((words[at + Word.addressesAt] ?? 0) > 0) this.#rotate(at, target);
  }

  /** Each asker gets another address first, in turn, as from CoreDNS's `loadbalance`: many clients use only the first. */
  #rotate(at: number, target: Uint8Array): void {
    const { words, bytes } = this.#young;
    const messageAt = words[at + Word.messageAt] ?? 0;
    const start = words[at + Word.addressesAt] ?? 0;
    const end = words[at + Word.addressesEnd] ?? 0;
    const turn = words[at + Word.turn] ?? 0;
    words[at + Word.turn] = (turn + 1) & 0xffff;
    const shift = (turn * (words[at + Word.addressBytes] ?? 0)) % (end - start);
    if (shift === 0) return;
    for (let from = start, to = start + shift; from < end; from += 1, to += 1) {
      if (to === end) to = start;
      target[to] = bytes[messageAt + from] ?? 0;
    }
  }

  #isCurrent(store: AnswerStore, at: number): boolean {
    const { words } = store;
    if (words[at + Word.epoch] !== this.#index.epoch) return false;
    return this.#index.versions.areCurrent(words, at + Word.stamp, (words[at + Word.messageAt] ?? 0) >> 2);
  }

  /** Into the younger generation: from the elder, where it is good there, or made anew. */
  #bring(packet: Uint8Array, question: WireQuestion): number {
    const old = this.#old?.find(packet, question) ?? 0;
    if (this.#old === undefined || old === 0 || !this.#isCurrent(this.#old, old)) return this.#make(packet, question);
    const revived = this.#young.addFrom(this.#old, old);
    if (revived !== 0) return revived;
    // The elder one has to go to make room, and this answer with it.
    this.#turnGenerations();
    return this.#make(packet, question);
  }

  #turnGenerations(): void {
    const next = this.#old ?? new AnswerStore(this.#maxBytes);
    next.clear();
    this.#old = this.#young;
    this.#young = next;
  }

  #make(packet: Uint8Array, question: WireQuestion): number {
    const name = questionName(packet, question.nameEnd);
    const type = TYPE_NAMES.get(question.queryType) ?? `TYPE${question.queryType}`;
    const zone = name === undefined ? undefined : this.#index.zoneNameOf(name);
    if (name === undefined || zone === undefined || type === 'AXFR' || type === 'IXFR') return 0;
    const { answer, names } = this.#index.answerWithNames({ name, type });
    const { code, leadsTo } = answer;
    if (code === 'SERVFAIL' || code === 'REFUSED' || answer.isChosen === true) return 0;
    const { hasEdns, hash } = question;
    const options = {
      maxBytes: hasEdns ? this.#maxUdpBytes : PLAIN_BYTES,
      question: this.#lowerCased(packet, question.nameEnd),
      questionName: name,
      udpPayloadSize: hasEdns ? this.#maxUdpBytes : undefined,
      buffer: this.#scratch,
    };
    const message = encodeAnswer(answer, options, { id: 0, opcode: 0, isRecursionDesired: false });
    const entry = {
      hash,
      asked: askedWord(question),
      message,
      origin: { zone, code, leadsTo },
      ...layoutOf(message),
      epoch: this.#index.epoch,
      stamp: this.#index.versions.stamp(names),
    };
    const at = this.#young.add(entry);
    if (at !== 0) return at;
    this.#turnGenerations();
    return this.#young.add(entry);
  }

  #lowerCased(packet: Uint8Array, nameEnd: number): Uint8Array {
    const question = this.#question.subarray(0, nameEnd + 4 - HEADER_BYTES);
    for (let at = 0; at < question.length; at += 1) {
      const byte = packet[HEADER_BYTES + at] ?? 0;
      question[at] = HEADER_BYTES + at < nameEnd ? lowerCase(byte) : byte;
    }
    return question;
  }
}

interface Layout {
  readonly serialAt: number;
  readonly addresses: { readonly start: number; readonly end: number; readonly recordBytes: number } | undefined;
}

function layoutOf(message: Uint8Array): Layout {
  const records = wireRecords(message) ?? [];
  const soa = records.find((record) => record.type === TYPE_SOA && record.section === 'authority');
  return { serialAt: soa === undefined ? 0 : soa.end - 20, addresses: addressRun(records) };
}

function addressRun(records: readonly WireRecord[]): Layout['addresses'] {
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

/** Byte by byte: for so few it is faster than a view and `set`. */
function copyBytes(source: Uint8Array, base: number, target: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at += 1) target[at] = source[base + at] ?? 0;
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
