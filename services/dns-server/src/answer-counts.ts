/** What became of questions, by code and transport. Plain numbers: a labelled counter costs as much as an answer. */
import type { Verdict } from './rate-limiter.ts';
import type { Protocol } from './transport.ts';

/** Codes have 4 bits, with EDNS 12, of which BADCOOKIE (23) is the highest in use. */
const CODES = 24;
const PROTOCOLS = ['udp', 'tcp'] as const;
const LIMITED = ['drop', 'slip'] as const;
const LIMITED_AT = CODES * PROTOCOLS.length;

const CODE_NAMES = new Map<number, string>([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [9, 'NOTAUTH'],
  [16, 'BADVERS'],
]);

export class AnswerCounts {
  /** Codes over UDP, codes over TCP, then dropped and slipped. */
  #counts = new Float64Array(LIMITED_AT + LIMITED.length);

  add(protocol: Protocol, code: number): void {
    this.#increase(code + (protocol === 'udp' ? 0 : CODES), 1);
  }

  addLimited(verdict: Exclude<Verdict, 'send'>): void {
    this.#increase(LIMITED_AT + LIMITED.indexOf(verdict), 1);
  }

  /** Those of another process. */
  addAll(counts: Float64Array): void {
    for (const [at, count] of counts.entries()) this.#increase(at, count);
  }

  /** What was counted, to be added elsewhere; the next call begins at nothing. */
  take(): Float64Array {
    const taken = this.#counts;
    this.#counts = new Float64Array(taken.length);
    return taken;
  }

  /** What was counted, less what is zero. */
  *entries(): Generator<{ rcode: string; proto: Protocol; count: number }> {
    for (const [at, count] of this.#counts.subarray(0, LIMITED_AT).entries()) {
      const rcode = CODE_NAMES.get(at % CODES) ?? 'OTHER';
      if (count > 0) yield { rcode, proto: at < CODES ? 'udp' : 'tcp', count };
    }
  }

  *limited(): Generator<{ action: string; count: number }> {
    for (const [at, action] of LIMITED.entries()) yield { action, count: this.#counts[LIMITED_AT + at] ?? 0 };
  }

  #increase(at: number, by: number): void {
    this.#counts[at] = (this.#counts[at] ?? 0) + by;
  }
}
