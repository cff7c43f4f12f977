/** Which endpoints of a service port one node uses: kube-proxy's rules for policies, hints and terminating endpoints. */
import type { PlanEndpoint } from '@signalbox/contracts';
import type { Family } from './addresses.ts';

export interface RulesNode {
  readonly name: string;
  /** `topology.kubernetes.io/zone`; absent means that zone hints are ignored. */
  readonly zone?: string;
  /** Addresses of the node as its status lists them; the first of a family is the node's primary one. */
  readonly addresses: readonly string[];
  /** The networks of the node's own pods. */
  readonly podCIDRs?: readonly string[];
}

/** Which of the two policies any traffic of the service port can be under. */
export interface PolicyUse {
  readonly usesCluster: boolean;
  readonly usesLocal: boolean;
}

export interface EndpointSelection {
  /** For traffic under the `Cluster` policy, topology hints applied. */
  readonly cluster: readonly PlanEndpoint[];
  /** For traffic under the `Local` policy. */
  readonly local: readonly PlanEndpoint[];
  /** Whether any node could serve the port: then traffic that this node cannot serve is dropped instead of rejected. */
  readonly hasAny: boolean;
}

/**
 * Ready endpoints, and where there are none, those that still serve while they terminate (KEP-1669), decided for
 * `cluster` and `local` independently:
 *
 *     | ready somewhere | hints usable | cluster                                |
 *     | --------------- | ------------ | -------------------------------------- |
 *     | yes             | yes          | ready endpoints meant for node or zone |
 *     | yes             | no           | all ready endpoints                    |
 *     | no              |              | all serving and terminating endpoints  |
 */
export function selectEndpoints(
  all: readonly PlanEndpoint[],
  family: Family,
  use: PolicyUse,
  node: RulesNode,
): EndpointSelection {
  const endpoints = uniqueEndpoints(all, family);
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  const draining = endpoints.filter((endpoint) => !endpoint.ready && endpoint.serving && endpoint.terminating);
  const isLocal = (endpoint: PlanEndpoint): boolean => endpoint.node === node.name;
  const cluster = use.usesCluster ? firstNonEmpty(ready.filter(topologyFilter(ready, node)), draining) : [];
  const local = use.usesLocal ? firstNonEmpty(ready.filter(isLocal), draining.filter(isLocal)) : [];
  return { cluster, local, hasAny: ready.length > 0 || draining.length > 0 };
}

/** Compiled plans have each address and port once; of others the first entry counts. */
function uniqueEndpoints(all: readonly PlanEndpoint[], family: Family): PlanEndpoint[] {
  const endpoints = all.filter((endpoint) => endpoint.family === family);
  if (new Set(endpoints.map(({ address }) => address)).size === endpoints.length) return endpoints;
  const byTarget = new Map<string, PlanEndpoint>();
  for (const endpoint of endpoints) {
    const target = `${endpoint.address} ${endpoint.port}`;
    if (!byTarget.has(target)) byTarget.set(target, endpoint);
  }
  return [...byTarget.values()];
}

function firstNonEmpty(preferred: PlanEndpoint[], fallback: PlanEndpoint[]): PlanEndpoint[] {
  return preferred.length > 0 ? preferred : fallback;
}

/**
 * Hints count only when every ready endpoint has them and at least one is meant for this node (else its zone): during a
 * change some endpoints have none yet, and following the others would starve or overload a zone. Node hints go first
 * (KEP-3015); hints are followed whatever `trafficDistribution` says, because they are how it reaches a proxy.
 */
function topologyFilter(ready: readonly PlanEndpoint[], node: RulesNode): (endpoint: PlanEndpoint) => boolean {
  const isForNode = (endpoint: PlanEndpoint): boolean => endpoint.hintNodes?.includes(node.name) ?? false;
  const isForZone = ({ hintZones }: PlanEndpoint): boolean =>
    node.zone !== undefined && (hintZones?.includes(node.zone) ?? false);
  if (ready.every((endpoint) => hasHints(endpoint.hintNodes)) && ready.some(isForNode)) return isForNode;
  if (ready.every((endpoint) => hasHints(endpoint.hintZones)) && ready.some(isForZone)) return isForZone;
  return () => true;
}

function hasHints(hints: readonly string[] | undefined): boolean {
  return hints !== undefined && hints.length > 0;
}
