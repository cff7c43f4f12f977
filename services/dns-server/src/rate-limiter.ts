/**
 * Response-rate limiting over UDP, where a source address proves nothing: a server that answers forged questions without
 * limit is a weapon against the address they name. Buckets of tokens are held per client network (IPv4 /24, IPv6 /56) and
 * kind of answer, so that many different good answers never share a limit, and all misses of a zone do. Constant memory: a
 * table of 65,536 buckets, where two that meet take turns, which can only let more through.
 */

const SLOTS = 65_536;

export type Verdict = 'send' | 'drop' | 'slip';

interface RateLimit {
  /** Answers of one kind to one network. */
  readonly perSecond: number;
  /** Each so many-th answer over the limit is sent truncated, so that a real client can come over TCP. 0: none. */
  readonly slip: number;
}

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #owners = new Int32Array(SLOTS);
  readonly #tokens = new Float64Array(SLOTS);
  readonly #filledAtMs = new Float64Array(SLOTS);
  readonly #refused = new Uint32Array(SLOTS);

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** `kind` is a hash of what the answer is: its question, or for a miss its zone. */
  check(peer: string, kind: number, nowMs: number): Verdict {
    const owner = hashOf(networkOf(peer), kind);
    const slot = (owner ^ (owner >>> 16)) & (SLOTS - 1);
    const { perSecond, slip } = this.#limit;
    if (this.#owners[slot] !== owner) {
      this.#owners[slot] = owner;
      this.#tokens[slot] = perSecond;
      this.#refused[slot] = 0;
    } else {
      const earned = ((nowMs - (this.#filledAtMs[slot] ?? 0)) / 1000) * perSecond;
      this.#tokens[slot] = Math.min(perSecond, (this.#tokens[slot] ?? 0) + earned);
    }
    this.#filledAtMs[slot] = nowMs;
    const tokens = this.#tokens[slot] ?? 0;
    if (tokens >= 1) {
      this.#tokens[slot] = tokens - 1;
      return 'send';
    }
    const refused = (this.#refused[slot] ?? 0) + 1;
    this.#refused[slot] = refused;
    return slip > 0 && refused % slip === 0 ? 'slip' : 'drop';
  }
}

/** `192.0.2.` of `192.0.2.1`; of an IPv6 address its first 56 bits. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address.slice(0, address.lastIndexOf('.') + 1);
  const [head = '', tail = ''] = address.split('::');
  const before = head.split(':').filter(Boolean);
  const after = tail.split(':').filter(Boolean);
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  const groups = address.includes('::') ? [...before, ...zeros, ...after] : before;
  return [...groups.slice(0, 3), Number.parseInt(groups[3] ?? '0', 16) >> 8].join(':');
}

export function hashOf(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  // 0 marks a slot that nobody has.
  return hash | 0 || 1;
}
