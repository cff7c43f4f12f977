/** Plans → what a kernel does once a node has loaded the rules rendered from them. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { compareText, type Family } from '../addresses.ts';
import { CompiledServices } from '../compiled-services.ts';
import { boundedWeights } from '../endpoint-weights.ts';
import { nodePortAddressesOf } from '../ipvs/ipvs-parts.ts';
import { contextOf, podCidrsOf, type RenderContext } from '../render-context.ts';
import { familiesOf, renderRules } from '../render-rules.ts';
import type { RenderOptions } from '../rules-backend.ts';
import type { ServiceRules, TrafficRules } from '../service-rules.ts';
import {
  ANY_NODE_ADDRESS,
  FROM_ELSEWHERE,
  FROM_NODE,
  type Frontend,
  frontendKey,
  type KernelState,
  type Route,
  type RouteEndpoint,
  type Source,
  socketText,
  sourcesOf,
} from './kernel-state.ts';
import { nftablesStructure } from './nft-text-structure.ts';
import { iptablesStructure, parseIptables } from './read-iptables.ts';

type AddressKind = 'cluster' | 'external' | 'load-balancer' | 'node';

interface Scope {
  readonly options: RenderOptions;
  readonly context: RenderContext;
  readonly family: Family;
  readonly podSources: readonly Source[];
  readonly hairpins: ReadonlySet<string>;
  /** Shares of each list of endpoints: all sources and addresses of a service use the same few lists. */
  readonly shares: Map<readonly PlanEndpoint[], ReadonlyMap<string, RouteEndpoint>>;
}

/** What the rules tell pods by, CIDRs or an interface: for reading the kernel back. */
export function podSourcesOf(options: RenderOptions, family: Family): readonly string[] {
  const context = contextOf(options);
  const { pods } = context;
  if (pods.by === 'interface') return [`interface ${pods.name}${pods.isPrefix ? '*' : ''}`];
  return podCidrsOf(family, context);
}

/** One state per family of the options. Throws `invalid` when the options cannot be followed, as rendering does. */
export function expectedStates(plans: readonly ProxyPlan[], options: RenderOptions): KernelState[] {
  return familiesOf(options).map((family) => expectedState(plans, family, options));
}

function expectedState(plans: readonly ProxyPlan[], family: Family, options: RenderOptions): KernelState {
  const compiled = new CompiledServices(family, options.node);
  compiled.apply(plans.map((plan) => ({ key: plan, plan })));
  const services = compiled.all();
  const scope: Scope = {
    options,
    context: contextOf(options),
    family,
    podSources: podSourcesOf(options, family),
    hairpins: new Set(services.flatMap((rules) => hairpinAddresses(rules, options))),
    shares: new Map(),
  };
  const frontends = new Map<string, Frontend>();
  for (const rules of services) {
    for (const [key, frontend] of frontendsOf(rules, scope)) frontends.set(key, frontend);
  }
  const closed = services.flatMap(({ clusterIPs, label }) => clusterIPs.map((address) => [address, label] as const));
  return {
    family,
    frontends,
    closedAddresses: options.backend === 'nftables' ? new Map(closed.reverse()) : undefined,
    hairpins: options.backend === 'nftables' ? scope.hairpins : undefined,
    structure: structureOf(services, scope),
    strays: [],
    unreadable: 0,
  };
}

/** nftables has only those that can reach themselves through this node; the other backends have all. */
function hairpinAddresses({ cluster, local, external }: ServiceRules, { node, backend }: RenderOptions): string[] {
  return [...cluster, ...local]
    .filter(
      (endpoint) =>
        backend !== 'nftables' ||
        endpoint.node === undefined ||
        endpoint.node === node.name ||
        external.policy === 'Local',
    )
    .map(({ address }) => address);
}

function frontendsOf(rules: ServiceRules, scope: Scope): (readonly [key: string, frontend: Frontend])[] {
  const { protocol, port, nodePort } = rules;
  const at = (address: string, atPort: number, kind: AddressKind): readonly [string, Frontend] => [
    frontendKey(protocol, address, atPort),
    frontendOf(rules, kind, scope),
  ];
  const nodeAddresses = nodePort === undefined ? [] : nodePortAddresses(scope);
  return [
    ...rules.clusterIPs.map((address) => at(address, port, 'cluster')),
    ...rules.externalIPs.map((address) => at(address, port, 'external')),
    ...rules.loadBalancerVIPs.map((address) => at(address, port, 'load-balancer')),
    ...nodeAddresses.map((address) => at(address, nodePort ?? 0, 'node')),
  ];
}

/** IPVS has a virtual server for each of the node's addresses; the others match any of them. */
function nodePortAddresses({ options, context, family }: Scope): string[] {
  return options.backend === 'ipvs' ? nodePortAddressesOf(family, context) : [ANY_NODE_ADDRESS];
}

function frontendOf(rules: ServiceRules, kind: AddressKind, scope: Scope): Frontend {
  const traffic = kind === 'cluster' ? rules.internal : rules.external;
  const routes = new Map<Source, Route>();
  for (const source of sourcesOf(scope.podSources)) {
    const route = routeOf(rules, traffic, { kind, source }, scope);
    if (route !== undefined) routes.set(source, route);
  }
  const isIpvs = scope.options.backend === 'ipvs';
  const unserved = traffic.verdict === 'forward' ? undefined : traffic.verdict;
  // iptables rejects whoever asks for a service without endpoints, the others only those that may ask.
  const isOpen = scope.options.backend === 'iptables' && traffic.verdict === 'reject';
  const isRestricted = kind === 'load-balancer' && rules.sourceRanges.length > 0 && !isOpen;
  return {
    service: rules.label,
    routes,
    verdict: isIpvs ? (routes.size > 0 ? undefined : 'reject') : unserved,
    sourceRanges: isRestricted ? [...rules.sourceRanges].sort(compareText) : undefined,
  };
}

interface Traffic {
  readonly kind: AddressKind;
  readonly source: Source;
}

function routeOf(rules: ServiceRules, traffic: TrafficRules, of: Traffic, scope: Scope): Route | undefined {
  const endpoints = endpointsFor(rules, traffic, of, scope);
  if (endpoints.length === 0) return undefined;
  return {
    endpoints: sharesOf(endpoints, scope),
    masquerade: isMasqueraded(traffic, of, scope) ? 'always' : 'never',
    affinitySeconds: rules.affinitySeconds,
  };
}

/**
 * Under a Local policy this node and its pods reach all endpoints of an external address. IPVS cannot tell who comes, and
 * falls back to all endpoints when there are no local ones.
 */
function endpointsFor(
  { cluster, local }: ServiceRules,
  { policy, verdict }: TrafficRules,
  { kind, source }: Traffic,
  { options }: Scope,
): readonly PlanEndpoint[] {
  if (options.backend === 'ipvs') return policy === 'Local' && local.length > 0 ? local : cluster;
  if (verdict === 'reject') return [];
  if (policy === 'Cluster') return cluster;
  return kind === 'cluster' || source === FROM_ELSEWHERE ? local : cluster;
}

function isMasqueraded({ policy }: TrafficRules, { kind, source }: Traffic, scope: Scope): boolean {
  const { podSources, options } = scope;
  if (kind === 'cluster') {
    return options.masqueradeAll === true || (podSources.length > 0 && !podSources.includes(source));
  }
  if (policy === 'Cluster') return true;
  // kube-proxy's IPVS mode has external IPs and node ports with a Local policy in no set that is masqueraded.
  return source === FROM_NODE && (options.backend !== 'ipvs' || kind === 'load-balancer');
}

function sharesOf(
  endpoints: readonly PlanEndpoint[],
  { hairpins, shares: known }: Scope,
): ReadonlyMap<string, RouteEndpoint> {
  const alike = known.get(endpoints);
  if (alike !== undefined) return alike;
  const weights = boundedWeights(endpoints);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = new Map<string, RouteEndpoint>();
  for (const [index, { address, port }] of endpoints.entries()) {
    const share = (weights[index] ?? 0) / total;
    if (share > 0) shares.set(socketText(address, port), { share, isHairpinMasqueraded: hairpins.has(address) });
  }
  known.set(endpoints, shares);
  return shares;
}

function structureOf(services: readonly ServiceRules[], { options, family }: Scope): Map<string, readonly string[]> {
  const { text } = renderRules([], { ...options, families: [family] });
  if (options.backend === 'nftables') return nftablesStructure(text, family);
  if (options.backend === 'ipvs') return iptablesStructure(parseIptables(text.slice(text.indexOf('*filter'))));
  const lines = services.flatMap(({ healthCheckNodePort }) =>
    healthCheckNodePort === undefined ? [] : [`-A KUBE-NODEPORTS -p tcp --dport ${healthCheckNodePort} -j ACCEPT`],
  );
  return iptablesStructure(parseIptables([text, '*filter', ...lines, 'COMMIT'].join('\n')));
}
