/** Responses of upstreams, for as long as they allow and the settings bound (RFC 2181 §8, RFC 2308 §5). */
import { HEADER_BYTES, wireRecords } from '@signalbox/zones';

export interface ResponseCacheSettings {
  readonly maxEntries: number;
  readonly minTtlSeconds: number;
  readonly maxTtlSeconds: number;
  /** Of "no such name" and "no data". */
  readonly maxNegativeTtlSeconds: number;
}

export interface CachedResponse {
  /** Without OPT; from the question's end on it is what a client gets. */
  readonly message: Uint8Array;
  readonly ttlsAt: readonly number[];
  readonly storedAtMs: number;
  readonly ttlSeconds: number;
  hits: number;
}

const TYPE_SOA = 6;
const TYPE_OPT = 41;
/** A failure is remembered so long, that a storm of the same question does not become one upstream. */
const FAILURE_TTL_SECONDS = 1;

export class ResponseCache {
  readonly #settings: ResponseCacheSettings;
  /** In the order of their last use. */
  readonly #entries = new Map<string, CachedResponse>();

  constructor(settings: ResponseCacheSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, nowMs: number): CachedResponse | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (nowMs >= entry.storedAtMs + entry.ttlSeconds * 1000) return undefined;
    this.#entries.set(key, entry);
    entry.hits += 1;
    return entry;
  }

  /** What a client gets now; kept only when it may be. */
  put(key: string, response: Uint8Array, nowMs: number): CachedResponse {
    const message = withoutOpt(response);
    const records = wireRecords(message) ?? [];
    const ttlSeconds = this.#ttlOf(message);
    const entry = { message, ttlsAt: records.map(({ ttlAt }) => ttlAt), storedAtMs: nowMs, ttlSeconds, hits: 0 };
    this.#entries.delete(key);
    if (ttlSeconds > 0) this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#settings.maxEntries && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  #ttlOf(message: Uint8Array): number {
    const { minTtlSeconds, maxTtlSeconds, maxNegativeTtlSeconds } = this.#settings;
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const records = wireRecords(message) ?? [];
    const code = view.getUint8(3) & 0xf;
    if (code !== 0 && code !== 3) return FAILURE_TTL_SECONDS;
    const hasAnswer = records.some(({ section }) => section === 'answer');
    const ttls = records.map(({ ttlAt }) => signless(view.getUint32(ttlAt)));
    if (code === 0 && hasAnswer) return Math.min(maxTtlSeconds, Math.max(minTtlSeconds, Math.min(...ttls)));
    const soa = records.find(({ section, type }) => section === 'authority' && type === TYPE_SOA);
    // RFC 2308 §5: without an SOA it must not be kept.
    if (soa === undefined) return 0;
    return Math.min(maxNegativeTtlSeconds, signless(view.getUint32(soa.ttlAt)), signless(view.getUint32(soa.end - 4)));
  }
}

/** The response, with what is left of its time. */
export function agedMessage(entry: CachedResponse, questionEnd: number, nowMs: number): Uint8Array {
  return Buffer.concat([entry.message.subarray(0, questionEnd), agedRecords(entry, questionEnd, nowMs)]);
}

/** The records as a client gets them, with what is left of their time. */
export function agedRecords(entry: CachedResponse, questionEnd: number, nowMs: number): Uint8Array {
  const copy = entry.message.slice(questionEnd);
  const view = new DataView(copy.buffer);
  const ageSeconds = Math.floor((nowMs - entry.storedAtMs) / 1000);
  for (const at of entry.ttlsAt) {
    const ttl = signless(view.getUint32(at - questionEnd));
    view.setUint32(at - questionEnd, Math.max(0, Math.min(ttl, Math.max(entry.ttlSeconds, 0)) - ageSeconds));
  }
  return copy;
}

/** RFC 2181 §8: with the highest bit set a TTL is zero. */
function signless(ttl: number): number {
  return ttl >= 2 ** 31 ? 0 : ttl;
}

/** The OPT record is between neighbours. What follows it is left out too, because pointers cannot be moved. */
function withoutOpt(response: Uint8Array): Uint8Array {
  const records = wireRecords(response) ?? [];
  const at = records.findIndex(({ type }) => type === TYPE_OPT);
  const end = records[at]?.start ?? records.at(-1)?.end ?? response.length;
  const message = response.slice(0, Math.max(end, HEADER_BYTES));
  const kept = at < 0 ? records : records.slice(0, at);
  const additional = kept.filter(({ section }) => section === 'additional').length;
  message[10] = additional >> 8;
  message[11] = additional & 255;
  return message;
}
