/** Plans → service rules of one node in one family. */
import type { PlanEndpoint, ProxyPlan, ServicePortPlan } from '@signalbox/contracts';
import { AddressClaims, type Claimant } from './address-claims.ts';
import {
  type Cidr,
  cidrContains,
  compareText,
  disjointCidrs,
  type Family,
  hostCidr,
  isCanonicalAddress,
  parseAddress,
  parseCidr,
} from './addresses.ts';
import { type RulesNode, selectEndpoints } from './select-endpoints.ts';
import {
  type ServiceRules,
  type SkippedOfService,
  safeText,
  type TrafficRules,
  type TransportProtocol,
} from './service-rules.ts';

export interface CompiledRules {
  readonly services: readonly ServiceRules[];
  readonly skipped: readonly SkippedOfService[];
}

interface Scope {
  readonly family: Family;
  readonly node: RulesNode;
  readonly claims: AddressClaims;
  readonly skipped: SkippedOfService[];
}

/** A service port after the first pass: it has its cluster IPs. */
interface Draft {
  readonly plan: ProxyPlan;
  readonly port: ServicePortPlan;
  readonly path: string;
  readonly claimant: Claimant;
  readonly clusterIPs: readonly string[];
}

/** The longest timeout that the API server allows. */
const AFFINITY_SECONDS_MAX = 86_400;
const PROTOCOLS: ReadonlyMap<string, TransportProtocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);

/**
 * Equal sets of plans give equal rules in equal order. An address and port that two services claim goes to one of them:
 * cluster IPs first (so that no external IP can capture a Service's traffic), then in the order of names. A service
 * without a cluster IP in this family is not in it. Whatever is not fit for a ruleset is left out and reported; compiled
 * plans hold no such thing, but plans are also read from a log.
 */
export function compileServiceRules(plans: readonly ProxyPlan[], family: Family, node: RulesNode): CompiledRules {
  const skipped: SkippedOfService[] = [];
  const scope = { family, node, claims: new AddressClaims(family, skipped), skipped };
  const drafts = [...plans].sort(comparePlans).flatMap((plan) => draftsOf(plan, scope));
  const services = drafts.filter(({ clusterIPs }) => clusterIPs.length > 0).map((draft) => compileDraft(draft, scope));
  return { services, skipped };
}

function comparePlans(a: ProxyPlan, b: ProxyPlan): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name) || compareText(a.cluster, b.cluster);
}

/** First pass: cluster IPs are claimed before any external address is. */
function draftsOf(plan: ProxyPlan, { claims, skipped }: Scope): Draft[] {
  const service = safeText(`${plan.namespace}/${plan.name}`);
  return plan.ports.flatMap((port, index) => {
    const path = `ports[${index}]`;
    const skip = (reason: string): Draft[] => {
      skipped.push({ service, path, reason });
      return [];
    };
    const protocol = PROTOCOLS.get(port.protocol);
    if (protocol === undefined) return skip('is not TCP, UDP or SCTP');
    if (!isPort(port.port) || !isPort(port.nodePort ?? port.port)) return skip('is not a port number');
    const claimant = { service, id: servicePortText(plan, port), protocol };
    if (!claims.claimName(claimant)) return skip('another service port has the same name and protocol');
    return [
      {
        plan,
        port,
        path,
        claimant,
        clusterIPs: claims.claimAddresses(plan.clusterIPs, port.port, claimant, 'clusterIPs'),
      },
    ];
  });
}

/** kube-proxy's name of a service port: the port's name is left away when it is empty. */
function servicePortText(plan: ProxyPlan, port: ServicePortPlan): string {
  return `${plan.namespace}/${plan.name}${port.name === '' ? '' : `:${port.name}`}`;
}

/** Second pass: external addresses, endpoints and verdicts. */
function compileDraft(draft: Draft, scope: Scope): ServiceRules {
  const { plan, port, claimant, clusterIPs } = draft;
  const { externalIPs, loadBalancerVIPs, nodePort } = claimExternal(draft, scope);
  const isExternal = externalIPs.length > 0 || loadBalancerVIPs.length > 0 || nodePort !== undefined;
  const isInternalLocal = plan.internalTrafficPolicy === 'Local';
  const isExternalLocal = plan.externalTrafficPolicy === 'Local';
  // Even under a Local external policy, traffic of this node and its pods follows the Cluster policy.
  const use = {
    usesCluster: !isInternalLocal || isExternal,
    usesLocal: isInternalLocal || (isExternalLocal && isExternal),
  };
  const selection = selectEndpoints(fitEndpoints(draft, scope), scope.family, use, scope.node);
  const trafficUnder = (isLocal: boolean): TrafficRules => {
    if (!selection.hasAny) return { policy: isLocal ? 'Local' : 'Cluster', verdict: 'reject' };
    if (!isLocal) return { policy: 'Cluster', verdict: 'forward' };
    return { policy: 'Local', verdict: selection.local.length === 0 ? 'drop' : 'forward' };
  };
  return {
    id: claimant.id,
    label: safeText(claimant.id),
    protocol: claimant.protocol,
    port: port.port,
    clusterIPs,
    externalIPs,
    loadBalancerVIPs,
    sourceRanges: sourceRangesOf(plan, scope, loadBalancerVIPs),
    nodePort,
    healthCheckNodePort: isPort(plan.healthCheckNodePort ?? 0) ? plan.healthCheckNodePort : undefined,
    cluster: selection.cluster,
    local: selection.local,
    internal: trafficUnder(isInternalLocal),
    external: trafficUnder(isExternalLocal),
    affinitySeconds: affinityOf(plan),
  };
}

type External = Pick<ServiceRules, 'externalIPs' | 'loadBalancerVIPs' | 'nodePort'>;

function claimExternal({ plan, port, path, claimant }: Draft, { claims, skipped }: Scope): External {
  const claim = (addresses: readonly string[], place: string): string[] =>
    claims.claimAddresses(addresses, port.port, claimant, place);
  return {
    externalIPs: claim(plan.externalIPs, 'externalIPs'),
    loadBalancerVIPs: areSourceRangesFit(plan, claimant, skipped)
      ? claim(plan.loadBalancerVIPs, 'loadBalancerVIPs')
      : [],
    nodePort: claims.claimNodePort(port.nodePort, claimant, `${path}.nodePort`),
  };
}

/** Ranges that cannot be read close the VIPs: rendering the others only, or none, could open them. */
function areSourceRangesFit(plan: ProxyPlan, { service }: Claimant, skipped: SkippedOfService[]): boolean {
  const index = plan.loadBalancerSourceRanges.findIndex((range) => parseCidr(range) === undefined);
  if (index < 0) return true;
  const path = `loadBalancerSourceRanges[${index}]`;
  skipped.push({ service, path, reason: 'is not a CIDR, so the load-balancer addresses are left out' });
  return false;
}

function fitEndpoints({ port, path, claimant }: Draft, { family, skipped }: Scope): PlanEndpoint[] {
  return port.endpoints.filter((endpoint, index) => {
    if (endpoint.family !== family) return false;
    if (isCanonicalAddress(endpoint.address, family) && isPort(endpoint.port)) return true;
    const reason = 'is not a canonical IP address and port';
    skipped.push({ service: claimant.service, path: `${path}.endpoints[${index}]`, reason });
    return false;
  });
}

/**
 * With a VIP that the network routes straight to this node, the node's own connections to it arrive with the VIP as their
 * source: where the ranges allow the node, they have to allow the VIPs as well (kube-proxy does the same).
 */
function sourceRangesOf(plan: ProxyPlan, { family, node }: Scope, vips: readonly string[]): string[] {
  if (plan.loadBalancerSourceRanges.length === 0) return [];
  const ranges = plan.loadBalancerSourceRanges.map(parseCidr).filter((cidr) => cidr !== undefined);
  const ofFamily = ranges.filter((cidr) => cidr.family === family);
  const host = hostCidrOf(primaryAddress(node, family));
  const isNodeAllowed = host !== undefined && ofFamily.some((range) => cidrContains(range, host));
  const hosts = (isNodeAllowed ? vips : []).map(hostCidrOf).filter((cidr) => cidr !== undefined);
  return disjointCidrs([...ofFamily, ...hosts]).map((cidr) => cidr.text);
}

function hostCidrOf(text: string | undefined): Cidr | undefined {
  const address = text === undefined ? undefined : parseAddress(text);
  return address === undefined ? undefined : hostCidr(address);
}

/** The node's first address of the family. */
export function primaryAddress(node: RulesNode, family: Family): string | undefined {
  return node.addresses.map(parseAddress).find((address) => address?.family === family)?.text;
}

function affinityOf({ sessionAffinitySeconds: seconds }: ProxyPlan): number | undefined {
  if (seconds === undefined) return undefined;
  return Math.min(AFFINITY_SECONDS_MAX, Math.max(1, Math.trunc(seconds) || 1));
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}
