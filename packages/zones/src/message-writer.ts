/** The wire form of a response (RFC 1035 §4), written once, front to back, with compressed names (§4.1.4). */
import type { DnsRecord, DnsRecordType } from '@signalbox/contracts';
import { addressBytes } from './addresses.ts';
import { characterStrings } from './records.ts';
import { nameBytes } from './transfer/wire-writer.ts';

export const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** Nearly every message fits; longer ones are given more. */
const FIRST_BYTES = 512;
/** Offsets that a compression pointer can name. */
const MAX_POINTER = 0x3fff;
const CLASS_IN = 1;
const TYPE_OPT = 41;
const DNSSEC_OK = 0x8000;

export const TYPE_NUMBERS: Readonly<Record<DnsRecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  CAA: 257,
};

export interface ResponseHeader {
  readonly id: number;
  readonly opcode: number;
  readonly isAuthoritative: boolean;
  readonly isRecursionDesired: boolean;
  /** This client's question was answered with the help of other servers. */
  readonly isRecursionAvailable?: true;
  /** Up to 12 bits; those above four go into the OPT record (RFC 6891 §6.1.3). */
  readonly code: number;
}

export interface WriterOptions {
  /** Nothing longer is ever written. */
  readonly maxBytes: number;
  /** Question section as it was sent, which keeps the case of its name; none when it could not be read. */
  readonly question: Uint8Array | undefined;
  /** The same name as text, in lower case. What has it as its owner points to the question. */
  readonly questionName: string | undefined;
  /** Our own limit, told to askers who speak EDNS; undefined for those who do not. */
  readonly udpPayloadSize: number | undefined;
  /** The DO bit as it was sent: it is to come back (RFC 3225 §3). */
  readonly dnssecOk?: boolean | undefined;
  /** Where to write first; what `finish` returns may then be a part of it. Absent: memory of its own. */
  readonly buffer?: Uint8Array;
}

/** A record of another server, whatever its type. */
interface ForeignRecord {
  /** Absolute, lower case, with `\DDD` for odd octets. */
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  /** Names in it are not compressed. */
  readonly data: Uint8Array;
}

type Section = 'answer' | 'authority' | 'additional';

export class MessageWriter {
  #bytes: Uint8Array;
  readonly #options: WriterOptions;
  readonly #limit: number;
  #length = HEADER_BYTES;
  readonly #names = new Map<string, number>();
  readonly #counts = { answer: 0, authority: 0, additional: 0 };
  #isTruncated = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#bytes = options.buffer ?? new Uint8Array(Math.min(options.maxBytes, FIRST_BYTES));
    this.#limit = options.maxBytes - (options.udpPayloadSize === undefined ? 0 : OPT_BYTES);
    if (options.question !== undefined) this.#writeQuestion(options.question);
  }

  get length(): number {
    return this.#length;
  }

  /** False, and nothing written, when the record does not fit. */
  writeRecord(section: Section, record: DnsRecord): boolean {
    const fixed = { name: record.name, type: TYPE_NUMBERS[record.type], ttlSeconds: record.ttlSeconds };
    return this.#write(section, fixed, () => this.#data(record));
  }

  writeForeignRecord(section: Section, record: ForeignRecord): boolean {
    return this.#write(section, record, () => {
      for (const byte of record.data) this.#byte(byte);
    });
  }

  #write(section: Section, { name, type, ttlSeconds }: Omit<ForeignRecord, 'data'>, writeData: () => void): boolean {
    const start = this.#length;
    const known = this.#names.size;
    this.#owner(section, name);
    this.#uint16(type);
    this.#uint16(CLASS_IN);
    this.#uint32(ttlSeconds);
    const lengthAt = this.#length;
    this.#uint16(0);
    writeData();
    if (this.#length > this.#limit) {
      this.#rewind(start, known);
      return false;
    }
    this.#setUint16(lengthAt, this.#length - lengthAt - 2);
    this.#counts[section] += 1;
    return true;
  }

  /** All or none. */
  writeGroup(section: Section, group: readonly DnsRecord[]): boolean {
    const start = this.#length;
    const known = this.#names.size;
    const count = this.#counts[section];
    if (group.every((record) => this.writeRecord(section, record))) return true;
    this.#rewind(start, known);
    this.#counts[section] = count;
    return false;
  }

  /** Tells the asker that something it needs did not fit (TC). */
  markTruncated(): void {
    this.#isTruncated = true;
  }

  finish(header: ResponseHeader): Uint8Array {
    if (this.#options.udpPayloadSize !== undefined) this.#writeOpt(this.#options.udpPayloadSize, header.code >> 4);
    const counts = [this.#options.question === undefined ? 0 : 1, this.#counts.answer, this.#counts.authority];
    const additional = this.#counts.additional + (this.#options.udpPayloadSize === undefined ? 0 : 1);
    for (const [index, value] of [header.id, this.#flags(header), ...counts, additional].entries()) {
      this.#setUint16(index * 2, value);
    }
    return this.#bytes.subarray(0, this.#length);
  }

  #flags(header: ResponseHeader): number {
    const QR = 0x8000;
    const AA = header.isAuthoritative ? 0x0400 : 0;
    const TC = this.#isTruncated ? 0x0200 : 0;
    const RD = header.isRecursionDesired ? 0x0100 : 0;
    const RA = header.isRecursionAvailable === true ? 0x0080 : 0;
    return QR | (header.opcode << 11) | AA | TC | RD | RA | (header.code & 0xf);
  }

  /** Its labels are no targets for pointers: a name elsewhere would take over the spelling of the asker. */
  #writeQuestion(question: Uint8Array): void {
    this.#reserve(question.length);
    this.#bytes.set(question, this.#length);
    this.#length += question.length;
  }

  #writeOpt(udpPayloadSize: number, extendedCode: number): void {
    this.#byte(0);
    this.#uint16(TYPE_OPT);
    this.#uint16(udpPayloadSize);
    this.#byte(extendedCode);
    this.#byte(0);
    this.#uint16(this.#options.dnssecOk === true ? DNSSEC_OK : 0);
    this.#uint16(0);
  }

  /** In the answer, what has the question's name points there, and so is spelt as it was asked. */
  #owner(section: Section, name: string): void {
    const isAsked = section === 'answer' && name === this.#options.questionName;
    if (isAsked && name !== '.') this.#uint16(0xc000 | HEADER_BYTES);
    else if (name.includes('\\')) for (const byte of nameBytes(name)) this.#byte(byte);
    else this.#name(name, true);
  }

  #data(record: DnsRecord): void {
    switch (record.type) {
      case 'A':
      case 'AAAA':
        for (const byte of addressBytes(record.address)) this.#byte(byte);
        break;
      case 'SRV':
        for (const value of [record.priority, record.weight, record.port]) this.#uint16(value);
        // RFC 2782: the target is not compressed.
        this.#name(record.target, false);
        break;
      case 'PTR':
      case 'CNAME':
      case 'NS':
        this.#name(record.target, true);
        break;
      case 'MX':
        this.#uint16(record.preference);
        this.#name(record.exchange, true);
        break;
      case 'CAA':
        // RFC 8659 §4.1: the value is the rest of the data, without a length of its own.
        this.#byte(record.flags);
        this.#characterString(new TextEncoder().encode(record.tag));
        for (const byte of new TextEncoder().encode(record.value)) this.#byte(byte);
        break;
      case 'TXT':
        for (const piece of record.text.flatMap(characterStrings)) this.#characterString(piece);
        break;
      case 'SOA':
        this.#name(record.mname, true);
        this.#name(record.rname, true);
        for (const value of soaNumbers(record)) this.#uint32(value);
        break;
    }
  }

  #name(name: string, isCompressed: boolean): void {
    let rest = name;
    while (rest !== '' && rest !== '.') {
      const known = this.#names.get(rest);
      if (isCompressed && known !== undefined) {
        this.#uint16(0xc000 | known);
        return;
      }
      if (known === undefined && this.#length <= MAX_POINTER) this.#names.set(rest, this.#length);
      const dot = rest.indexOf('.');
      this.#byte(dot);
      for (let index = 0; index < dot; index += 1) this.#byte(rest.charCodeAt(index));
      rest = rest.slice(dot + 1);
    }
    this.#byte(0);
  }

  #characterString(bytes: Uint8Array): void {
    this.#byte(bytes.length);
    for (const byte of bytes) this.#byte(byte);
  }

  /** Writing past the end is counted, not done: the record is then taken back. */
  #byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    if (this.#length < this.#bytes.length) this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length || this.#bytes.length >= this.#options.maxBytes) return;
    const bytes = new Uint8Array(
      Math.min(this.#options.maxBytes, Math.max(this.#length + more, 2 * this.#bytes.length)),
    );
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  #uint16(value: number): void {
    this.#byte((value >>> 8) & 0xff);
    this.#byte(value & 0xff);
  }

  #uint32(value: number): void {
    this.#uint16(value >>> 16);
    this.#uint16(value & 0xffff);
  }

  #setUint16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value & 0xff;
  }

  #rewind(length: number, nameCount: number): void {
    this.#length = length;
    // A map keeps the order of insertion, so the names that were added last are at the end.
    for (const name of [...this.#names.keys()].slice(nameCount)) this.#names.delete(name);
  }
}

function soaNumbers(soa: Extract<DnsRecord, { type: 'SOA' }>): number[] {
  return [soa.serial, soa.refreshSeconds, soa.retrySeconds, soa.expireSeconds, soa.minimumSeconds];
}
