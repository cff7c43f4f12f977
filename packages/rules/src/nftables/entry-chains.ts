/** The chains that dispatch maps point at. */
import type { PlanEndpoint } from '@signalbox/contracts';
import { boundedWeights } from '../endpoint-weights.ts';
import type { KernelParts } from '../kernel-parts.ts';
import { podCidrsOf, type RenderContext } from '../render-context.ts';
import type { ServiceRules } from '../service-rules.ts';
import { sha256 } from '../sha256.ts';
import { type FamilySyntax, MARK_CHAIN, PROTOCOLS } from './base-table.ts';
import { LOCAL_NUMBERS_FROM, slotsOf } from './slots.ts';

const STICKY = 'sticky-';

/** What the endpoint maps are keyed by: a packet to a node port can come to any of the node's addresses. */
export type KeyedBy = 'address' | 'nodeport';

/**
 *     entry (policy, masquerading)       choice (endpoint)
 *     internal-3              ──────►    endpoints-3          numbers 0…2
 *     internal-local-2        ──────►    local-endpoints-2    numbers from 1,000,000
 *     external-3              ──────►    endpoints-3
 *     external-local-2-of-3   ──┬───►    local-endpoints-2
 *                               └───►    endpoints-3          for traffic of this node and its pods
 *     nodeport-…                         the same on maps keyed by port only
 *     sticky-HASH-internal    ──────►    sticky-HASH          one service with session affinity
 */
export class EntryChains {
  readonly #parts: KernelParts;
  readonly #syntax: FamilySyntax;
  readonly #masqueradesAll: boolean;
  /** Matches traffic that comes from pods, and that which does not; undefined where nothing is known of pods. */
  readonly #pods: { readonly match: string; readonly others: string } | undefined;

  /** Chains go to `parts`. */
  constructor(parts: KernelParts, syntax: FamilySyntax, context: RenderContext) {
    this.#parts = parts;
    this.#syntax = syntax;
    this.#masqueradesAll = context.masqueradeAll;
    this.#pods = podMatches(syntax, context);
  }

  /** Chain for traffic to a cluster IP. Traffic that is not from pods may come back another way, so it is masqueraded. */
  internal(rules: ServiceRules): string {
    const isLocal = rules.internal.policy === 'Local';
    const choice = this.#choice(rules, isLocal, 'address');
    const name = chainName(rules, isLocal ? 'internal-local' : 'internal', countOf(rules, isLocal));
    return this.#ensure(name, [...this.#masqueradeInternal(), ...goTo(choice)]);
  }

  /**
   * Chain for traffic to an external IP, a load-balancer VIP or a node port. Under the Cluster policy the endpoint may be
   * on another node, which must answer through this one: masquerade. Under Local the client's address is kept; this
   * node's own traffic and its pods' are served as if they had gone out and come back through the load balancer.
   */
  external(rules: ServiceRules, keyedBy: KeyedBy): string {
    const isLocal = rules.external.policy === 'Local';
    const kind = `${keyedBy === 'address' ? 'external' : 'nodeport'}${isLocal ? '-local' : ''}`;
    const cluster = this.#choice(rules, false, keyedBy);
    if (!isLocal) {
      return this.#ensure(chainName(rules, kind, countOf(rules, false)), [`jump ${MARK_CHAIN}`, ...goTo(cluster)]);
    }
    return this.#ensure(chainName(rules, kind, `${countOf(rules, true)}-of-${countOf(rules, false)}`), [
      ...(this.#pods === undefined ? [] : [`${this.#pods.match} goto ${cluster}`]),
      `fib saddr type local jump ${MARK_CHAIN}`,
      `fib saddr type local goto ${cluster}`,
      ...goTo(this.#choice(rules, true, keyedBy)),
    ]);
  }

  #masqueradeInternal(): string[] {
    if (this.#masqueradesAll) return [`jump ${MARK_CHAIN}`];
    return this.#pods === undefined ? [] : [`${this.#pods.others} jump ${MARK_CHAIN}`];
  }

  /** Chain that picks an endpoint and rewrites the destination; undefined where there is none to pick. */
  #choice(rules: ServiceRules, isLocal: boolean, keyedBy: KeyedBy): string | undefined {
    const endpoints = isLocal ? rules.local : rules.cluster;
    if (rules.affinitySeconds !== undefined) return this.#sticky(rules, endpoints, isLocal ? '-local' : '');
    return this.#numbered(slotsOf(endpoints).length, isLocal ? LOCAL_NUMBERS_FROM : 0, keyedBy);
  }

  #numbered(count: number, offset: number, keyedBy: KeyedBy): string | undefined {
    if (count === 0) return undefined;
    const { ip } = this.#syntax;
    const mapPrefix = keyedBy === 'address' ? 'endpoints' : 'nodeport-endpoints';
    const key = keyedBy === 'address' ? `${ip} daddr . ` : '';
    const number = `numgen random mod ${count}${offset === 0 ? '' : ` offset ${offset}`}`;
    return this.#ensure(
      `${offset === 0 ? '' : 'local-'}${mapPrefix}-${count}`,
      PROTOCOLS.map((protocol) => `dnat ${ip} to ${key}${protocol} dport . ${number} map @${mapPrefix}-${protocol}`),
    );
  }

  /**
   * A client that is known with an endpoint goes there, and is remembered for another timeout; others get a random one: the
   * first of n with probability 1/n, else the second with 1/(n-1), and so on. Affinity is to the service port, whichever of
   * its addresses the client uses, as in kube-proxy. The last rule is for clients that a full set cannot take.
   */
  #sticky(rules: ServiceRules, endpoints: readonly PlanEndpoint[], suffix: string): string | undefined {
    if (endpoints.length === 0) return undefined;
    const { ip } = this.#syntax;
    const transport = `meta l4proto ${rules.protocol}`;
    const weights = boundedWeights(endpoints);
    const targets = endpoints.map((endpoint, index) => {
      const address = endpoint.family === 'IPv6' ? `[${endpoint.address}]` : endpoint.address;
      const key = `${ip} saddr . ${constant(affinityId(rules, endpoint))}`;
      const remember = `update @affinity { ${key} timeout ${rules.affinitySeconds}s }`;
      return {
        key,
        forward: `${transport} ${remember} dnat to ${address}:${endpoint.port}`,
        weight: weights[index] ?? 1,
      };
    });
    const known = targets.map(({ key, forward }) => `${key} @affinity ${forward}`);
    let remaining = weights.reduce((sum, weight) => sum + weight, 0);
    const chosen = targets.flatMap(({ forward, weight }) => {
      const total = remaining;
      remaining -= weight;
      if (weight === 0) return [];
      return weight === total ? [forward] : [`numgen random mod ${total} < ${weight} ${forward}`];
    });
    const slots = slotsOf(endpoints).map(({ address, port }, number) => `${number} : ${address} . ${port}`);
    const anyone = `${transport} dnat ${ip} to numgen random mod ${slots.length} map { ${slots.join(', ')} }`;
    const name = `${stickyName(rules)}${suffix}`;
    return this.#ensure(name, [...known, ...chosen, anyone], ` { comment "${rules.label}" ; }`);
  }

  /** Chains with the same name have the same rules, except those of one service with session affinity. */
  #ensure(name: string, rules: readonly string[], definition = ''): string {
    this.#parts.addChain({ name, rules, definition, isShared: !name.startsWith(STICKY) });
    return name;
  }
}

function podMatches(
  { family, ip }: FamilySyntax,
  context: RenderContext,
): { match: string; others: string } | undefined {
  const { pods } = context;
  if (pods.by === 'interface') {
    const name = `"${pods.name}${pods.isPrefix ? '*' : ''}"`;
    return { match: `iifname ${name}`, others: `iifname != ${name}` };
  }
  if (podCidrsOf(family, context).length === 0) return undefined;
  return { match: `${ip} saddr @cluster-cidrs`, others: `${ip} saddr != @cluster-cidrs` };
}

function chainName(rules: ServiceRules, kind: string, suffix: string): string {
  return rules.affinitySeconds === undefined ? `${kind}-${suffix}` : `${stickyName(rules)}-${kind}`;
}

function countOf(rules: ServiceRules, isLocal: boolean): string {
  return `${slotsOf(isLocal ? rules.local : rules.cluster).length}`;
}

function goTo(chain: string | undefined): string[] {
  return chain === undefined ? [] : [`goto ${chain}`];
}

/** 64 bits of a hash: short enough for every kernel's limit on names, however long a service's name is. */
function stickyName({ id, protocol }: ServiceRules): string {
  return `${STICKY}${Buffer.from(sha256(`${id}/${protocol}`)).toString('hex', 0, 8)}`;
}

/**
 * 32 bits for an endpoint of a service port. Should two be alike, clients of one service are already known to another: they
 * go where they would have gone by chance.
 */
function affinityId({ id, protocol }: ServiceRules, { address, port }: PlanEndpoint): number {
  return Buffer.from(sha256(`${id}/${protocol} ${address} ${port}`)).readUInt32BE();
}

/** A set key is made of what a packet has, or of numbers drawn: one of exactly one is the way to write a constant. */
function constant(value: number): string {
  return `numgen random mod 1 offset ${value}`;
}
