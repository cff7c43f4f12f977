/**
 * Transaction signatures (RFC 8945): messages that prove who sent them, by a secret that both sides have.
 *
 *     request ──sign──► request, MAC ─────────────────────► verify against the keys we have
 *     verify against our key, the request's MAC ◄───────── sign answer 1 over the request's MAC, then each
 *                                                           further one over the MAC of the one before
 *
 * Time and keys are passed in; equal inputs give equal octets.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { appendTsig, splitTsig, type TsigRecord, tsigRecordBytes, tsigTimers, tsigVariables } from './tsig-record.ts';
import { WireWriter } from './wire-writer.ts';

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';

/** Octets of an untruncated MAC. */
export const TSIG_MAC_BYTES: Readonly<Record<TsigAlgorithm, number>> = {
  'hmac-sha256': 32,
  'hmac-sha384': 48,
  'hmac-sha512': 64,
};

export interface TsigKey {
  /** Absolute, lower case. */
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
  /** Octets of the MAC that are sent, and at least wanted; fewer than all is truncation (RFC 8945 §5.2.2.1). */
  readonly macBytes: number;
}

export const TSIG_ERRORS = { badSignature: 16, badKey: 17, badTime: 18, badTruncation: 22 } as const;

type TsigError = (typeof TSIG_ERRORS)[keyof typeof TSIG_ERRORS];

export type TsigCheck =
  | { readonly type: 'unsigned' }
  /** To be answered with FORMERR. */
  | { readonly type: 'malformed' }
  /** To be answered with NOTAUTH and this error; signed where a key is given. */
  | {
      readonly type: 'refused';
      readonly error: TsigError;
      readonly tsig: TsigRecord;
      readonly key: TsigKey | undefined;
    }
  | { readonly type: 'valid'; readonly key: TsigKey; readonly mac: Uint8Array };

/** As far as clocks may differ, seconds (RFC 8945 §10). */
const FUDGE_SECONDS = 300;
const MIN_TRUNCATED_BYTES = 10;

/** Checks in the order of RFC 8945 §5.2: key, MAC, time, truncation. */
export function verifyRequest(message: Uint8Array, keys: readonly TsigKey[], nowSeconds: number): TsigCheck {
  const split = splitTsig(message);
  if (split === 'none') return { type: 'unsigned' };
  if (split === 'malformed') return { type: 'malformed' };
  const { tsig, unsigned } = split;
  const key = keys.find(({ name, algorithm }) => name === tsig.keyName && `${algorithm}.` === tsig.algorithm);
  if (key === undefined) return { type: 'refused', error: TSIG_ERRORS.badKey, tsig, key };
  if (!isMacLength(tsig.mac.length, key)) return { type: 'malformed' };
  const isSigned = isEqualMac(tsig.mac, hmac(key, [unsigned, tsigVariables(tsig)]));
  if (!isSigned) return { type: 'refused', error: TSIG_ERRORS.badSignature, tsig, key: undefined };
  if (!isInTime(tsig, nowSeconds)) return { type: 'refused', error: TSIG_ERRORS.badTime, tsig, key };
  const isTooShort = tsig.mac.length < key.macBytes;
  if (isTooShort) return { type: 'refused', error: TSIG_ERRORS.badTruncation, tsig, key: undefined };
  return { type: 'valid', key, mac: tsig.mac };
}

/** Octets to leave free in a message that is to be signed. */
export function signatureBytes({ name, algorithm, macBytes }: TsigKey): number {
  return tsigRecordBytes({ keyName: name, algorithm: `${algorithm}.`, macBytes });
}

/** A request, or the first answer to the request with the given MAC. */
export function signMessage(
  message: Uint8Array,
  key: TsigKey,
  { nowSeconds, requestMac }: { nowSeconds: number; requestMac?: Uint8Array },
): { message: Uint8Array; mac: Uint8Array } {
  return sign(message, key, unsignedRecord(message, key, nowSeconds), (tsig) => [
    ...(requestMac === undefined ? [] : [withLength(requestMac)]),
    message,
    tsigVariables(tsig),
  ]);
}

/** The answers to one request, each signed, in the order they are sent (RFC 8945 §5.3.1). */
export function* signAnswers(
  messages: Iterable<Uint8Array>,
  key: TsigKey,
  { nowSeconds, requestMac }: { nowSeconds: () => number; requestMac: Uint8Array },
): Generator<Uint8Array> {
  let mac: Uint8Array | undefined;
  for (const message of messages) {
    const priorMac = mac;
    const signed =
      priorMac === undefined
        ? signMessage(message, key, { nowSeconds: nowSeconds(), requestMac })
        : sign(message, key, unsignedRecord(message, key, nowSeconds()), (tsig) => [
            withLength(priorMac),
            message,
            tsigTimers(tsig),
          ]);
    mac = signed.mac;
    yield signed.message;
  }
}

/**
 * The answer to a request whose signature was refused. A wrong time is told with a signature, so that the asker can
 * believe it; the rest without one (RFC 8945 §5.3.2).
 */
export function refuseSignature(
  message: Uint8Array,
  { error, tsig, key }: Extract<TsigCheck, { type: 'refused' }>,
  nowSeconds: number,
): Uint8Array {
  const refusal: TsigRecord = { ...tsig, error, fudgeSeconds: FUDGE_SECONDS, otherData: new Uint8Array() };
  if (key === undefined) return appendTsig(message, { ...refusal, mac: new Uint8Array() });
  const otherData = new WireWriter().uint(nowSeconds, 6).finish();
  return sign(message, key, { ...refusal, otherData }, (signed) => [
    withLength(tsig.mac),
    message,
    tsigVariables(signed),
  ]).message;
}

/**
 * Verifies the answers to one signed request, in the order they come. Up to 99 messages in a row may be unsigned, the
 * last one may not (RFC 8945 §5.3.1), so nothing may be believed before `isComplete`.
 */
export class AnswerVerifier {
  readonly #key: TsigKey;
  #priorMac: Uint8Array;
  #isFirst = true;
  #unsigned: Uint8Array[] = [];

  constructor(key: TsigKey, requestMac: Uint8Array) {
    this.#key = key;
    this.#priorMac = requestMac;
  }

  /** False while the messages seen last are still unsigned. */
  get isComplete(): boolean {
    return !this.#isFirst && this.#unsigned.length === 0;
  }

  /** What is wrong with the signature; undefined when nothing is. */
  check(message: Uint8Array, nowSeconds: number): string | undefined {
    const split = splitTsig(message);
    if (split === 'malformed') return 'its TSIG record is malformed';
    if (split === 'none') return this.#noteUnsigned(message);
    const { tsig, unsigned } = split;
    if (tsig.mac.length === 0) return `the signature was refused: ${errorName(tsig.error)}`;
    if (tsig.keyName !== this.#key.name || tsig.algorithm !== `${this.#key.algorithm}.`) return 'signed by another key';
    const hashed = this.#isFirst ? tsigVariables(tsig) : tsigTimers(tsig);
    const expected = hmac(this.#key, [withLength(this.#priorMac), ...this.#unsigned, unsigned, hashed]);
    const isLongEnough = isMacLength(tsig.mac.length, this.#key) && tsig.mac.length >= this.#key.macBytes;
    if (!isLongEnough || !isEqualMac(tsig.mac, expected)) return 'its signature is wrong';
    if (tsig.error !== 0) return `the signature was refused: ${errorName(tsig.error)}`;
    if (!isInTime(tsig, nowSeconds)) return 'it was signed at another time';
    this.#priorMac = tsig.mac;
    this.#isFirst = false;
    this.#unsigned = [];
    return undefined;
  }

  #noteUnsigned(message: Uint8Array): string | undefined {
    this.#unsigned.push(message);
    return this.#isFirst || this.#unsigned.length > MAX_UNSIGNED ? 'it is not signed' : undefined;
  }
}

const MAX_UNSIGNED = 99;

function errorName(error: number): string {
  const [name = `error ${error}`] = Object.entries(TSIG_ERRORS).find(([, code]) => code === error) ?? [];
  return name;
}

function sign(
  message: Uint8Array,
  key: TsigKey,
  record: TsigRecord,
  hashed: (tsig: TsigRecord) => readonly Uint8Array[],
): { message: Uint8Array; mac: Uint8Array } {
  const mac = hmac(key, hashed(record)).subarray(0, key.macBytes);
  return { message: appendTsig(message, { ...record, mac }), mac };
}

function unsignedRecord(message: Uint8Array, key: TsigKey, timeSeconds: number): TsigRecord {
  const originalId = ((message[0] ?? 0) << 8) | (message[1] ?? 0);
  const empty = { mac: new Uint8Array(), error: 0, otherData: new Uint8Array() };
  const { name: keyName, algorithm } = key;
  return { keyName, algorithm: `${algorithm}.`, timeSeconds, fudgeSeconds: FUDGE_SECONDS, originalId, ...empty };
}

function hmac({ algorithm, secret }: TsigKey, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHmac(algorithm.slice('hmac-'.length), secret);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function withLength(mac: Uint8Array): Uint8Array {
  return Uint8Array.from([mac.length >> 8, mac.length & 0xff, ...mac]);
}

/** No longer than the hash, no shorter than half of it nor than 80 bits (RFC 8945 §5.2.2.1). */
function isMacLength(length: number, { algorithm }: TsigKey): boolean {
  const full = TSIG_MAC_BYTES[algorithm];
  return length <= full && length >= Math.max(MIN_TRUNCATED_BYTES, full / 2);
}

function isEqualMac(mac: Uint8Array, expected: Uint8Array): boolean {
  return timingSafeEqual(mac, expected.subarray(0, mac.length));
}

function isInTime({ timeSeconds, fudgeSeconds }: TsigRecord, nowSeconds: number): boolean {
  return Math.abs(nowSeconds - timeSeconds) <= fudgeSeconds;
}
