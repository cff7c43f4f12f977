/**
 * Questions about names outside of the zones, for clients that may ask them: from the cache, or from the upstreams of the
 * longest matching domain. Equal questions under way are one; there are only so many at a time; what many ask for is
 * fetched again shortly before it expires.
 */
import { type BlockList, isIP } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';
import { addressRanges, isIn, LOOPBACK } from '../address-ranges.ts';
import type { Upstream, UpstreamQuestion } from './exchange.ts';
import { type CachedResponse, ResponseCache } from './response-cache.ts';
import { UpstreamGroup } from './upstream-group.ts';

export interface ForwardSettings {
  /** `ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT` of resolvers for every name. */
  readonly upstreams?: readonly string[];
  /** Domain → resolvers of its names. */
  readonly stubs?: Readonly<Record<string, readonly string[]>>;
  /** Addresses and ranges whose questions are forwarded. Default: loopback, so that nobody gets an open resolver unasked. */
  readonly clients?: readonly string[];
  /** For one upstream to answer. Default 2 s. */
  readonly timeoutMs?: number;
  /** Between probes of an upstream that is down. Default 1 s. */
  readonly probeMs?: number;
  /** Questions under way. Default 1,000. */
  readonly maxInFlight?: number;
  /** Responses kept. Default 10,000. */
  readonly maxCached?: number;
  readonly minTtlSeconds?: number;
  /** Default an hour. */
  readonly maxTtlSeconds?: number;
  /** Default 5 minutes. */
  readonly maxNegativeTtlSeconds?: number;
  /** Random spelling of names as a further secret between us and the upstream. Default false: some servers lose it. */
  readonly mixesCase?: boolean;
}

export type ForwardOutcome = 'hit' | 'miss' | 'failure' | 'overload';

/** From so many uses on an answer is fetched again when a tenth of its time is left. */
const POPULAR_HITS = 10;
const PREFETCH_SHARE = 0.1;

export class Forwarder {
  readonly outcomes = new Map<ForwardOutcome, number>();
  readonly #clients: BlockList;
  readonly #groups: ReadonlyMap<string, UpstreamGroup>;
  readonly #cache: ResponseCache;
  readonly #inFlight = new Map<string, Promise<CachedResponse>>();
  readonly #maxInFlight: number;

  /** Throws `invalid` for settings that cannot work. */
  constructor(settings: ForwardSettings) {
    const { timeoutMs = 2000, probeMs = 1000, mixesCase = false } = settings;
    const domains = Object.entries({ ...settings.stubs, ...(settings.upstreams && { '.': settings.upstreams }) });
    this.#groups = new Map(
      domains.map(([domain, addresses]) => [
        domainName(domain),
        new UpstreamGroup(addresses.map(parseUpstream), { timeoutMs, probeMs, mixesCase }),
      ]),
    );
    this.#clients = addressRanges(settings.clients ?? LOOPBACK, 'forwarding for');
    this.#maxInFlight = settings.maxInFlight ?? 1000;
    this.#cache = new ResponseCache({
      maxEntries: settings.maxCached ?? 10_000,
      minTtlSeconds: settings.minTtlSeconds ?? 0,
      maxTtlSeconds: settings.maxTtlSeconds ?? 3600,
      maxNegativeTtlSeconds: settings.maxNegativeTtlSeconds ?? 300,
    });
  }

  get cached(): number {
    return this.#cache.size;
  }

  /** `ADDRESS PORT` of each upstream, and whether it answers. */
  upstreams(): { upstream: string; isUp: boolean }[] {
    const all = [...this.#groups.values()].flatMap((group) => group.upstreams);
    return all.map(({ address, port, isUp }) => ({ upstream: `${address} ${port}`, isUp }));
  }

  /** Whether this server resolves this name for this client. */
  serves(name: string, peer: string): boolean {
    return this.#groupOf(name) !== undefined && isIn(this.#clients, peer);
  }

  /** Undefined when no upstream has answered in time, or too much is under way. */
  async resolve(name: string, question: UpstreamQuestion): Promise<CachedResponse | undefined> {
    const key = `${question.dnssecOk ? 'D' : '-'}${Buffer.from(question.question).toString('latin1')}`;
    const cached = this.#cache.get(key, Date.now());
    if (cached !== undefined) {
      this.#count('hit');
      if (isDue(cached) && !this.#inFlight.has(key)) this.#fetch(key, name, question)?.catch(() => {});
      return cached;
    }
    const fetching = this.#inFlight.get(key) ?? this.#fetch(key, name, question);
    if (fetching === undefined) {
      this.#count('overload');
      return undefined;
    }
    try {
      const response = await fetching;
      this.#count('miss');
      return response;
    } catch {
      this.#count('failure');
      return undefined;
    }
  }

  close(): void {
    for (const group of this.#groups.values()) group.close();
  }

  #fetch(key: string, name: string, question: UpstreamQuestion): Promise<CachedResponse> | undefined {
    const group = this.#groupOf(name);
    if (group === undefined || this.#inFlight.size >= this.#maxInFlight) return undefined;
    const fetching = group
      .ask(question)
      .then((response) => this.#cache.put(key, response, Date.now()))
      .finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, fetching);
    return fetching;
  }

  #groupOf(name: string): UpstreamGroup | undefined {
    for (let rest = name; rest !== '' && rest !== '.'; rest = rest.slice(rest.indexOf('.') + 1)) {
      const group = this.#groups.get(rest);
      if (group !== undefined) return group;
    }
    return this.#groups.get('.');
  }

  #count(outcome: ForwardOutcome): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

function isDue({ hits, storedAtMs, ttlSeconds }: CachedResponse): boolean {
  const leftMs = storedAtMs + ttlSeconds * 1000 - Date.now();
  return hits >= POPULAR_HITS && leftMs < ttlSeconds * 1000 * PREFETCH_SHARE;
}

function domainName(domain: string): string {
  const name = domain.toLowerCase();
  if (!/^[\w.-]+$/.test(name)) throw new SignalboxError('invalid', `forwarding ${JSON.stringify(domain)}: no domain`);
  return name.endsWith('.') ? name : `${name}.`;
}

/** Port 53 where none is given. */
export function parseUpstream(text: string): Upstream {
  const [, bracketed, port1] = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? [];
  const [, plain, port2] = /^([^:]+)(?::(\d+))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  const port = Number(port1 ?? port2 ?? 53);
  if (isIP(address) === 0 || port < 1 || port > 65_535) {
    throw new SignalboxError(
      'invalid',
      `forwarding to ${JSON.stringify(text)}: not an IP address, with a port or without`,
    );
  }
  return { address, port };
}
