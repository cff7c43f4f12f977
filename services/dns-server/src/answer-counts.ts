/** Answers by code and transport. Plain numbers: a labelled counter costs as much as an answer. */
import type { Protocol } from './transport.ts';

/** Codes have 4 bits, with EDNS 12, of which BADCOOKIE (23) is the highest in use. */
const CODES = 24;

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
  readonly #counts = { udp: new Float64Array(CODES), tcp: new Float64Array(CODES) };

  add(protocol: Protocol, code: number): void {
    const counts = this.#counts[protocol];
    counts[code] = (counts[code] ?? 0) + 1;
  }

  /** What was counted, less what is zero. */
  *entries(): Generator<{ rcode: string; proto: Protocol; count: number }> {
    for (const proto of ['udp', 'tcp'] as const) {
      for (const [code, count] of this.#counts[proto].entries()) {
        if (count > 0) yield { rcode: CODE_NAMES.get(code) ?? 'OTHER', proto, count };
      }
    }
  }
}
