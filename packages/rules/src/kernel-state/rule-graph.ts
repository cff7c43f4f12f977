/** Rules of any packet filter in one form, and the way of a packet through them. */
import { FROM_NODE, type Route, type RouteEndpoint, type Source, socketText } from './kernel-state.ts';

export interface Packet {
  readonly protocol: string;
  /** `ANY_NODE_ADDRESS` for a packet to a node port. */
  readonly address: string;
  readonly port: number;
  readonly source: Source;
}

export type Condition =
  | { readonly on: 'source'; readonly sources: readonly Source[]; readonly isNegated: boolean }
  /** The packet comes from the endpoint that it goes to. */
  | { readonly on: 'source-host'; readonly address: string }
  | { readonly on: 'source-node'; readonly isNegated: boolean }
  | { readonly on: 'destination'; readonly address?: string; readonly protocol?: string; readonly port?: number }
  | { readonly on: 'chance'; readonly probability: number }
  /** Session affinity: this client has been here before. */
  | { readonly on: 'known-client'; readonly seconds: number | undefined }
  | { readonly on: 'unknown' };

export interface Target {
  readonly address: string;
  /** `address:port`. */
  readonly text: string;
}

export function targetOf(address: string, port: number): Target {
  return { address, text: socketText(address, port) };
}

export type Action =
  | { readonly do: 'jump' | 'goto'; readonly chain: string }
  | { readonly do: 'choose-chain'; readonly chains: readonly (string | undefined)[] }
  /** Equal chances; undefined where the kernel would find nothing. */
  | { readonly do: 'choose-target'; readonly targetsFor: (packet: Packet) => readonly (Target | undefined)[] }
  | { readonly do: 'remember-client'; readonly seconds: number | undefined }
  | { readonly do: 'mark' }
  | { readonly do: 'return' | 'end' | 'nothing' | 'unknown' };

export interface Rule {
  readonly conditions: readonly Condition[];
  readonly actions: readonly Action[];
  /** In one spelling, for reports. */
  readonly text: string;
}

export interface RuleGraph {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** Where packets are sent from; of a rule about other sources it is not known whom it is for. */
  readonly knownSources: ReadonlySet<Source>;
  /** Where endpoints that may reach themselves are kept in a set. */
  readonly isHairpin?: (address: string) => boolean;
}

/** Jumps nest no deeper in any ruleset; a loop ends here. */
const DEPTH_MAX = 16;
const NO_SHARE = 1e-9;

/**
 * Where a new client's packet goes from `chain` on, as shares of probability. Rules that are not understood are passed
 * over: they are reported once as what they are, instead of with every service behind them.
 */
export function traceRoute(graph: RuleGraph, chain: string, packet: Packet): Route {
  const trace = new Trace(graph, packet);
  trace.walk(chain, { share: 1, isMarked: false, seconds: undefined }, 0);
  return trace.route();
}

/** What is left of a packet at a place: how probably it comes here, and what rules have done to it. */
interface Flow {
  share: number;
  isMarked: boolean;
  /** Set by a rule that remembers the client just before it rewrites the destination. */
  seconds: number | 'default' | undefined;
}

interface Reached {
  share: number;
  isMarked: boolean;
  isUnmarked: boolean;
  isHairpin: boolean;
}

class Trace {
  readonly #graph: RuleGraph;
  readonly #packet: Packet;
  readonly #reached = new Map<string, Reached>();
  readonly #hairpins = new Set<string>();
  readonly #remembered = new Map<string, number | 'default'>();
  readonly #known = new Map<string, number | 'default'>();
  #knownSeconds: number | 'default' | undefined;
  #isSourceUnknown = false;

  constructor(graph: RuleGraph, packet: Packet) {
    this.#graph = graph;
    this.#packet = packet;
  }

  /** What falls out at the end of the chain. */
  walk(chain: string, flow: Flow, depth: number): Flow {
    let here = { ...flow };
    const passed = { share: 0, isMarked: false, seconds: undefined as Flow['seconds'] };
    for (const rule of depth < DEPTH_MAX ? (this.#graph.chains.get(chain) ?? []) : []) {
      if (here.share < NO_SHARE) break;
      const known = rule.conditions.find((condition) => condition.on === 'known-client');
      if (known !== undefined) {
        this.#followKnown(rule, known.seconds ?? 'default', depth);
        continue;
      }
      const matching = this.#probabilityOf(rule);
      if (matching === 0) continue;
      const rest = here.share * (1 - matching);
      const result = this.#apply(rule, { ...here, share: here.share * matching }, depth);
      if (result.hasLeft) {
        passed.share += result.share;
        passed.isMarked ||= result.isMarked;
        here = { ...here, share: rest };
      } else {
        here = { share: rest + result.share, isMarked: result.isMarked, seconds: result.seconds };
      }
    }
    return { share: here.share + passed.share, isMarked: here.isMarked || passed.isMarked, seconds: here.seconds };
  }

  route(): Route {
    const endpoints = new Map<string, RouteEndpoint>();
    for (const [target, { share, isHairpin }] of this.#reached) {
      endpoints.set(target, { share, isHairpinMasqueraded: isHairpin });
    }
    return { endpoints, masquerade: this.#masquerade(), affinitySeconds: this.#affinity() };
  }

  #masquerade(): Route['masquerade'] {
    if (this.#isSourceUnknown) return 'unknown';
    const all = [...this.#reached.values()];
    if (!all.some(({ isMarked }) => isMarked)) return 'never';
    return all.some(({ isUnmarked }) => isUnmarked) ? 'sometimes' : 'always';
  }

  /** Clients must be both remembered and recognised, at every endpoint, for the same time. */
  #affinity(): Route['affinitySeconds'] {
    if (this.#remembered.size === 0 && this.#known.size === 0) return undefined;
    const targets = [...this.#reached.keys()];
    const isWhole = targets.every((target) => this.#remembered.has(target) && this.#known.has(target));
    const seconds = new Set([...this.#remembered.values(), ...this.#known.values()].filter((one) => one !== 'default'));
    const [first] = seconds;
    return isWhole && seconds.size === 1 && typeof first === 'number' ? first : 'broken';
  }

  #probabilityOf({ conditions }: Rule): number {
    return conditions.reduce((probability, condition) => probability * this.#matches(condition), 1);
  }

  #matches(condition: Condition): number {
    const { source, address, protocol, port } = this.#packet;
    switch (condition.on) {
      case 'source':
        if (!condition.sources.every((one) => this.#graph.knownSources.has(one))) this.#isSourceUnknown = true;
        return Number(condition.sources.includes(source) !== condition.isNegated);
      case 'source-host':
        this.#hairpins.add(condition.address);
        return 0;
      case 'source-node':
        return Number((source === FROM_NODE) !== condition.isNegated);
      case 'destination':
        return Number(
          (condition.address ?? address) === address &&
            (condition.protocol ?? protocol) === protocol &&
            (condition.port ?? port) === port,
        );
      case 'chance':
        return condition.probability;
      case 'known-client':
      case 'unknown':
        return 0;
    }
  }

  /** What a client that was here before would reach. */
  #followKnown(rule: Rule, seconds: number | 'default', depth: number): void {
    if (this.#knownSeconds !== undefined) return;
    this.#knownSeconds = seconds;
    this.#apply(rule, { share: 0, isMarked: false, seconds: undefined }, depth);
    this.#knownSeconds = undefined;
  }

  #apply(rule: Rule, flow: Flow, depth: number): Flow & { hasLeft: boolean } {
    let here = { ...flow };
    for (const action of rule.actions) {
      switch (action.do) {
        case 'mark':
          here.isMarked = true;
          break;
        case 'remember-client':
          here.seconds = action.seconds ?? 'default';
          break;
        case 'jump':
          here = this.#enter(action.chain, here, depth);
          break;
        case 'goto':
          return { ...this.#enter(action.chain, here, depth), hasLeft: true };
        case 'choose-chain':
          return { ...this.#chooseChain(action.chains, here, depth), hasLeft: true };
        case 'choose-target':
          here = { ...here, share: this.#chooseTarget(action.targetsFor(this.#packet), here) };
          break;
        case 'return':
          return { ...here, hasLeft: true };
        case 'end':
          return { ...here, share: 0, hasLeft: true };
        case 'nothing':
        case 'unknown':
          break;
      }
    }
    return { ...here, hasLeft: false };
  }

  /** A client that is recognised is followed with a share of 0, which must not end the walk. */
  #enter(chain: string, flow: Flow, depth: number): Flow {
    if (this.#knownSeconds === undefined) return this.walk(chain, flow, depth + 1);
    for (const rule of this.#graph.chains.get(chain) ?? []) {
      for (const action of rule.actions) {
        if (action.do === 'choose-target') this.#chooseTarget(action.targetsFor(this.#packet), flow);
      }
    }
    return flow;
  }

  #chooseChain(chains: readonly (string | undefined)[], flow: Flow, depth: number): Flow {
    const share = flow.share / Math.max(1, chains.length);
    const left = chains.map((chain) =>
      chain === undefined ? share : this.walk(chain, { ...flow, share }, depth + 1).share,
    );
    return { ...flow, share: left.reduce((sum, one) => sum + one, 0) };
  }

  /** The share for which there was no endpoint. */
  #chooseTarget(targets: readonly (Target | undefined)[], flow: Flow): number {
    const share = flow.share / Math.max(1, targets.length);
    let left = targets.length === 0 ? flow.share : 0;
    for (const target of targets) {
      if (target === undefined) left += share;
      else this.#reach(target, { ...flow, share });
    }
    return left;
  }

  #reach(target: Target, { share, isMarked, seconds }: Flow): void {
    const { text } = target;
    if (this.#knownSeconds !== undefined) {
      this.#known.set(text, this.#knownSeconds);
      return;
    }
    const reached = this.#reached.get(text) ?? { share: 0, isMarked: false, isUnmarked: false, isHairpin: false };
    reached.share += share;
    if (isMarked) reached.isMarked = true;
    else reached.isUnmarked = true;
    reached.isHairpin ||= this.#hairpins.has(target.address) || this.#graph.isHairpin?.(target.address) === true;
    this.#reached.set(text, reached);
    if (seconds !== undefined) this.#remembered.set(text, seconds);
  }
}
