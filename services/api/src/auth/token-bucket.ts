/** How often something may happen, for each key: so many at once, then so many per second. Bounded in keys. */
const MAX_KEYS = 10_000;

export interface BucketOptions {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #options: BucketOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: BucketOptions) {
    this.#options = options;
  }

  /** Milliseconds until the next is allowed; 0: now. */
  waitMs(key: string, nowMs: number): number {
    const tokens = this.#filled(key, nowMs);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / this.#options.perSecond) * 1_000);
  }

  take(key: string, nowMs: number): void {
    const tokens = Math.max(0, this.#filled(key, nowMs) - 1);
    // Put at the end, so that what is forgotten first is what was used least lately.
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens, atMs: nowMs });
    if (this.#buckets.size <= MAX_KEYS) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }

  #filled(key: string, nowMs: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#options.burst;
    const gained = (Math.max(0, nowMs - bucket.atMs) / 1_000) * this.#options.perSecond;
    return Math.min(this.#options.burst, bucket.tokens + gained);
  }
}
