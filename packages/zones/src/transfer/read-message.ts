/** Any DNS message → its sections. Takes any octets, throws nothing, follows each pointer backwards only (RFC 1035 §4). */
import { HEADER_BYTES, TYPE_NUMBERS } from '../message-writer.ts';
import type { WireRecord } from './wire-records.ts';
import { WireWriter } from './wire-writer.ts';

export interface MessageRecord extends WireRecord {
  readonly recordClass: number;
  /** Where the record begins in the message. */
  readonly offset: number;
}

export interface ReadMessage {
  readonly id: number;
  readonly flags: number;
  readonly question: { readonly name: string; readonly type: number } | undefined;
  readonly answer: readonly MessageRecord[];
  readonly authority: readonly MessageRecord[];
  readonly additional: readonly MessageRecord[];
}

/** Undefined when it is cut short or otherwise no message. */
export function readMessage(bytes: Uint8Array): ReadMessage | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const reader = new Reader(bytes);
  try {
    return reader.message();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export function responseCode(message: Pick<ReadMessage, 'flags'>): number {
  return message.flags & 0xf;
}

const MAX_NAME_BYTES = 255;
/** As many as a name can have labels. More serve only to keep the reader busy: each record may walk the same long way. */
const MAX_POINTERS = 127;
const { NS, CNAME, SOA, PTR, MX, SRV } = TYPE_NUMBERS;
/** Octets before the names in a record's data, and how many names: the types whose names may be compressed. */
const NAMES_IN_DATA = new Map([
  [NS, { before: 0, count: 1 }],
  [CNAME, { before: 0, count: 1 }],
  [PTR, { before: 0, count: 1 }],
  [SOA, { before: 0, count: 2 }],
  [MX, { before: 2, count: 1 }],
  [SRV, { before: 6, count: 1 }],
]);

/** Reading past the end is a RangeError, from DataView or from here. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  message(): ReadMessage {
    const [id = 0, flags = 0, questions = 0, ...counts] = Array.from({ length: 6 }, () => this.#uint16());
    const [question] = Array.from({ length: questions }, () => this.#question());
    const [answer = [], authority = [], additional = []] = counts.map((count) =>
      Array.from({ length: count }, () => this.#record()),
    );
    return { id, flags, question, answer, authority, additional };
  }

  #question(): { name: string; type: number } {
    const name = this.#name();
    const type = this.#uint16();
    this.#uint16();
    return { name, type };
  }

  #record(): MessageRecord {
    const offset = this.#at;
    const name = this.#name();
    const type = this.#uint16();
    const recordClass = this.#uint16();
    const ttlSeconds = this.#uint16() * 2 ** 16 + this.#uint16();
    const end = this.#uint16() + this.#at;
    const data = this.#data(type, end);
    return { name, type, recordClass, ttlSeconds, data, offset };
  }

  #data(type: number, end: number): Uint8Array {
    if (end > this.#bytes.length) throw new RangeError('data cut short');
    const names = NAMES_IN_DATA.get(type);
    const writer = new WireWriter();
    if (names !== undefined && end > this.#at) {
      writer.bytes(this.#take(names.before));
      for (let left = names.count; left > 0; left -= 1) writer.name(this.#name());
    }
    return writer.bytes(this.#take(end - this.#at)).finish();
  }

  #take(count: number): Uint8Array {
    if (count < 0 || this.#at + count > this.#bytes.length) throw new RangeError('data cut short');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  #uint16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  #name(): string {
    const { name, end } = this.#nameAt(this.#at);
    this.#at = end;
    return name;
  }

  #nameAt(start: number): { name: string; end: number } {
    let name = '';
    let end: number | undefined;
    for (let at = start, bytes = 1, pointers = 0; ; ) {
      const length = this.#view.getUint8(at);
      if (length === 0) return { name: name === '' ? '.' : name, end: end ?? at + 1 };
      if (length >= 0xc0) {
        end ??= at + 2;
        pointers += 1;
        at = this.#targetOf(at, pointers);
        continue;
      }
      bytes += 1 + length;
      if (length > 63 || bytes > MAX_NAME_BYTES || at + 1 + length > this.#bytes.length) throw new RangeError('name');
      name += `${labelText(this.#bytes.subarray(at + 1, at + 1 + length))}.`;
      at += 1 + length;
    }
  }

  /** Where the pointer leads, which is the name's so many-th. */
  #targetOf(at: number, pointers: number): number {
    const target = this.#view.getUint16(at) & 0x3fff;
    if (target >= at || pointers > MAX_POINTERS) throw new RangeError('pointers in a circle, or too many');
    return target;
  }
}

/** Lower case in ASCII only (RFC 4343); octets that a served name cannot hold as `\DDD`. */
function labelText(octets: Uint8Array): string {
  return String.fromCharCode(...octets)
    .replaceAll(/[A-Z]/g, (char) => char.toLowerCase())
    .replaceAll(/[^\w*/-]/g, (char) => `\\${char.charCodeAt(0).toString().padStart(3, '0')}`);
}
