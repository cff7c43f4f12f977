/** A service port with what it claims → its rules on one node in one family. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import type { AddressClaims, Claim } from './address-claims.ts';
import {
  type Cidr,
  cidrContains,
  disjointCidrs,
  type Family,
  hostCidr,
  isCanonicalAddress,
  parseAddress,
  parseCidr,
} from './addresses.ts';
import { isPort, type ServiceDraft } from './draft-services.ts';
import { type RulesNode, selectEndpoints } from './select-endpoints.ts';
import { type ServiceRules, type SkippedOfService, safeText, type TrafficRules } from './service-rules.ts';

export interface CompileScope {
  readonly family: Family;
  readonly node: RulesNode;
  readonly claims: AddressClaims;
  readonly skipped: SkippedOfService[];
}

/** The longest timeout that the API server allows. */
const AFFINITY_SECONDS_MAX = 86_400;

/**
 * Undefined when the service port is left out, with all that it claims, and for one that lingers with nothing left. Reports
 * go to `scope.skipped`.
 */
export function compileServiceRules(draft: ServiceDraft, scope: CompileScope): ServiceRules | undefined {
  const { claimant, service, path } = draft;
  if (scope.claims.holderOf(draft.claims.name.key) !== draft.claims.name) {
    scope.skipped.push({ service, path, reason: 'another service port has the same name and protocol' });
    return undefined;
  }
  const { plan } = claimant;
  const granted = grantedOf(draft, scope);
  if (plan.lingeringEntries !== undefined && !isReachable(granted)) return undefined;
  const isExternal = isReachableFromOutside(granted);
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
    protocol: draft.protocol,
    port: draft.port.port,
    ...granted,
    sourceRanges: sourceRangesOf(plan, scope, granted.loadBalancerVIPs),
    healthCheckNodePort: isPort(plan.healthCheckNodePort ?? 0) ? plan.healthCheckNodePort : undefined,
    cluster: selection.cluster,
    local: selection.local,
    internal: trafficUnder(isInternalLocal),
    external: trafficUnder(isExternalLocal),
    affinitySeconds: affinityOf(plan),
  };
}

type Granted = Pick<ServiceRules, 'clusterIPs' | 'externalIPs' | 'loadBalancerVIPs' | 'nodePort'>;

/** Those of the claims that nobody else holds. */
function grantedOf({ claims, port, service }: ServiceDraft, scope: CompileScope): Granted {
  const isGranted = (claim: Claim): boolean => {
    const holder = scope.claims.holderOf(claim.key) ?? claim;
    if (holder === claim) return true;
    const reason = `${claim.key} belongs to ${safeText(holder.claimant.id)}`;
    scope.skipped.push({ service, path: claim.path, reason });
    return false;
  };
  const addressesOf = (wanted: readonly Claim[]): string[] => wanted.filter(isGranted).map(({ address }) => address);
  return {
    clusterIPs: addressesOf(claims.clusterIPs),
    loadBalancerVIPs: addressesOf(claims.loadBalancerVIPs),
    externalIPs: addressesOf(claims.externalIPs),
    nodePort: claims.nodePort.length > 0 && claims.nodePort.every(isGranted) ? port.nodePort : undefined,
  };
}

function isReachable(granted: Granted): boolean {
  return granted.clusterIPs.length > 0 || isReachableFromOutside(granted);
}

function isReachableFromOutside({ externalIPs, loadBalancerVIPs, nodePort }: Granted): boolean {
  return externalIPs.length > 0 || loadBalancerVIPs.length > 0 || nodePort !== undefined;
}

function fitEndpoints({ port, path, service }: ServiceDraft, { family, skipped }: CompileScope): PlanEndpoint[] {
  return port.endpoints.filter((endpoint, index) => {
    if (endpoint.family !== family) return false;
    if (isCanonicalAddress(endpoint.address, family) && isPort(endpoint.port)) return true;
    skipped.push({ service, path: `${path}.endpoints[${index}]`, reason: 'is not a canonical IP address and port' });
    return false;
  });
}

/**
 * With a VIP that the network routes straight to this node, the node's own connections to it arrive with the VIP as their
 * source: where the ranges allow the node, they have to allow the VIPs as well (kube-proxy does the same).
 */
function sourceRangesOf(plan: ProxyPlan, { family, node }: CompileScope, vips: readonly string[]): string[] {
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
