/**
 * The upstreams of one domain, and which of them answer.
 *
 *     up ──(several questions in a row without an answer)──► down ──(a probe is answered)──► up
 *
 * One that is up is asked, chosen at random; when it does not answer, the next. While all are down they are asked still:
 * a wrong verdict must not take the network's names away.
 */
import { randomInt } from 'node:crypto';
import { type ExchangeSettings, exchange, type Upstream, type UpstreamQuestion } from './exchange.ts';

const MAX_ATTEMPTS = 3;
const FAILURES_TO_DOWN = 2;
/** `. NS`, which every resolver can say something about. */
const PROBE: UpstreamQuestion = { question: Uint8Array.of(0, 0, 2, 0, 1), dnssecOk: false };
const SERVFAIL = 2;
const REFUSED = 5;

export interface UpstreamState extends Upstream {
  failures: number;
  isUp: boolean;
}

export interface UpstreamSettings extends ExchangeSettings {
  readonly probeMs: number;
}

export class UpstreamGroup {
  readonly upstreams: readonly UpstreamState[];
  readonly #settings: UpstreamSettings;
  #probing: NodeJS.Timeout | undefined;

  constructor(upstreams: readonly Upstream[], settings: UpstreamSettings) {
    this.upstreams = upstreams.map((upstream) => ({ ...upstream, failures: 0, isUp: true }));
    this.#settings = settings;
  }

  /** The best response there is: a failure that an upstream reported only when no other has better. Throws when none came. */
  async ask(question: UpstreamQuestion): Promise<Uint8Array> {
    let last: Uint8Array | undefined;
    let failure: unknown = new Error('no upstream');
    for (const upstream of this.#candidates()) {
      try {
        last = await this.#askOne(upstream, question);
        const code = (last[3] ?? 0) & 0xf;
        if (code !== SERVFAIL && code !== REFUSED) return last;
      } catch (error) {
        failure = error;
      }
    }
    if (last !== undefined) return last;
    throw failure;
  }

  close(): void {
    clearTimeout(this.#probing);
  }

  /** Those that are up first; a single one is asked twice, because a packet can be lost. */
  #candidates(): UpstreamState[] {
    const start = randomInt(this.upstreams.length);
    const turned = [...this.upstreams.slice(start), ...this.upstreams.slice(0, start)];
    const sorted = [...turned.filter(({ isUp }) => isUp), ...turned.filter(({ isUp }) => !isUp)];
    const [only] = sorted;
    return sorted.length === 1 && only !== undefined ? [only, only] : sorted.slice(0, MAX_ATTEMPTS);
  }

  async #askOne(upstream: UpstreamState, question: UpstreamQuestion): Promise<Uint8Array> {
    try {
      const response = await exchange(upstream, question, this.#settings);
      upstream.failures = 0;
      upstream.isUp = true;
      return response;
    } catch (error) {
      upstream.failures += 1;
      if (upstream.failures >= FAILURES_TO_DOWN) this.#noteDown(upstream);
      throw error;
    }
  }

  #noteDown(upstream: UpstreamState): void {
    upstream.isUp = false;
    this.#probing ??= setTimeout(() => void this.#probe(), this.#settings.probeMs).unref();
  }

  async #probe(): Promise<void> {
    const down = this.upstreams.filter(({ isUp }) => !isUp);
    await Promise.allSettled(down.map((upstream) => this.#askOne(upstream, PROBE)));
    this.#probing = undefined;
    for (const upstream of this.upstreams) if (!upstream.isUp) this.#noteDown(upstream);
  }
}
