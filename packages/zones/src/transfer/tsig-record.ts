/** The TSIG record and what of it is hashed (RFC 8945 §4.2, §4.3). */
import { readMessage } from './read-message.ts';
import { WireWriter } from './wire-writer.ts';

export interface TsigRecord {
  readonly keyName: string;
  /** As on the wire: `hmac-sha256.` */
  readonly algorithm: string;
  readonly timeSeconds: number;
  readonly fudgeSeconds: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly otherData: Uint8Array;
}

export interface SplitMessage {
  readonly tsig: TsigRecord;
  /** The message as it was before it was signed. */
  readonly unsigned: Uint8Array;
}

const TSIG = 250;
const CLASS_ANY = 255;
const ARCOUNT_OFFSET = 10;

/** `none` when the message has no TSIG record, `malformed` when it has one that is not the last (RFC 8945 §5.2). */
export function splitTsig(message: Uint8Array): SplitMessage | 'none' | 'malformed' {
  const read = readMessage(message);
  if (read === undefined) return 'malformed';
  const records = [...read.answer, ...read.authority, ...read.additional];
  const signatures = records.filter((record) => record.type === TSIG);
  const last = records.at(-1);
  if (signatures.length === 0 || last === undefined) return 'none';
  const isRight = signatures.length === 1 && last === read.additional.at(-1) && last.type === TSIG;
  if (!isRight || last.recordClass !== CLASS_ANY || last.ttlSeconds !== 0) return 'malformed';
  const tsig = parseData(last.name, last.data);
  if (tsig === undefined) return 'malformed';
  // A copy: what came in stays as it was, and a Buffer's own `slice` would not copy.
  const unsigned = Uint8Array.from(message.subarray(0, last.offset));
  const view = new DataView(unsigned.buffer);
  view.setUint16(0, tsig.originalId);
  view.setUint16(ARCOUNT_OFFSET, read.additional.length - 1);
  return { tsig, unsigned };
}

/** The message with the record behind all others. */
export function appendTsig(message: Uint8Array, tsig: TsigRecord): Uint8Array {
  const data = tsigData(tsig);
  const writer = new WireWriter().bytes(message).name(tsig.keyName);
  const signed = writer.uint(TSIG, 2).uint(CLASS_ANY, 2).uint(0, 4).uint(data.length, 2).bytes(data).finish();
  const view = new DataView(signed.buffer);
  view.setUint16(ARCOUNT_OFFSET, view.getUint16(ARCOUNT_OFFSET) + 1);
  return signed;
}

/** Octets that the record takes, so that a message can be made to leave room for it. */
export function tsigRecordBytes({ keyName, algorithm, macBytes }: TsigSize): number {
  const [mac, otherData] = [new Uint8Array(macBytes), new Uint8Array(6)];
  const times = { timeSeconds: 0, fudgeSeconds: 0, originalId: 0, error: 0 };
  return appendTsig(new Uint8Array(12), { keyName, algorithm, mac, otherData, ...times }).length - 12;
}

interface TsigSize {
  readonly keyName: string;
  readonly algorithm: string;
  readonly macBytes: number;
}

/** What is hashed after the message: all of the record that is not the MAC, or only the time after a first message. */
export function tsigVariables(tsig: TsigRecord): Uint8Array {
  const writer = new WireWriter().name(tsig.keyName).uint(CLASS_ANY, 2).uint(0, 4).name(tsig.algorithm);
  writer.uint(tsig.timeSeconds, 6).uint(tsig.fudgeSeconds, 2).uint(tsig.error, 2);
  return writer.uint(tsig.otherData.length, 2).bytes(tsig.otherData).finish();
}

export function tsigTimers({ timeSeconds, fudgeSeconds }: TsigRecord): Uint8Array {
  return new WireWriter().uint(timeSeconds, 6).uint(fudgeSeconds, 2).finish();
}

function tsigData(tsig: TsigRecord): Uint8Array {
  const writer = new WireWriter().name(tsig.algorithm).uint(tsig.timeSeconds, 6).uint(tsig.fudgeSeconds, 2);
  writer.uint(tsig.mac.length, 2).bytes(tsig.mac).uint(tsig.originalId, 2).uint(tsig.error, 2);
  return writer.uint(tsig.otherData.length, 2).bytes(tsig.otherData).finish();
}

function parseData(keyName: string, data: Uint8Array): TsigRecord | undefined {
  const algorithm = plainName(data);
  if (algorithm === undefined) return undefined;
  const { end } = algorithm;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (end + 10 > data.length) return undefined;
  const timeSeconds = view.getUint16(end) * 2 ** 32 + view.getUint32(end + 2);
  const macEnd = end + 10 + view.getUint16(end + 8);
  if (macEnd + 6 > data.length || macEnd + 6 + view.getUint16(macEnd + 4) !== data.length) return undefined;
  return {
    keyName,
    algorithm: algorithm.name,
    timeSeconds,
    fudgeSeconds: view.getUint16(end + 6),
    mac: data.slice(end + 10, macEnd),
    originalId: view.getUint16(macEnd),
    error: view.getUint16(macEnd + 2),
    otherData: data.slice(macEnd + 6),
  };
}

/** A name of host-like labels without compression (RFC 8945 §4.2), in lower case. */
function plainName(data: Uint8Array): { name: string; end: number } | undefined {
  let name = '';
  for (let at = 0; at < data.length; ) {
    const length = data[at] ?? 0;
    if (length === 0) return { name, end: at + 1 };
    if (length > 63) return undefined;
    name += `${String.fromCharCode(...data.subarray(at + 1, at + 1 + length)).toLowerCase()}.`;
    at += 1 + length;
  }
  return undefined;
}
