/** The targets of one service port: nodes, or the endpoints themselves. Sorted, without duplicates. */
import type {
  EndpointSliceObject,
  NodeObject,
  ServicePort,
  ServiceView,
  Skipped,
  SliceEndpoint,
  Target,
} from '@signalbox/contracts';
import { addressFamily, canonicalAddress } from './address.ts';
import { boundedWeight, nodeWeight } from './annotations.ts';
import { isEligibleNode } from './eligible-nodes.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

export interface NodeTargetOptions {
  readonly nodePort: number;
  /** externalTrafficPolicy Local: only nodes with a ready endpoint forward. */
  readonly isLocal: boolean;
  readonly isWeightedByPods: boolean;
}

/** Nodes that may receive traffic from outside, at their internal addresses of the Service's families. */
export function nodeTargets(
  view: ServiceView,
  port: ServicePort,
  { nodePort, isLocal, isWeightedByPods }: NodeTargetOptions,
  skipped: Skipped[],
): Target[] {
  const endpoints = isLocal || isWeightedByPods ? readyEndpointsByNode(view, port) : undefined;
  const families = familiesOf(view);
  const targets = view.nodes
    .filter((node) => isEligibleNode(node, view.loadBalancerPolicy))
    .filter(({ metadata }) => !isLocal || endpoints?.has(metadata.name))
    .flatMap((node) => {
      const zone = node.metadata.labels?.[ZONE_LABEL];
      const place = { node: node.metadata.name, ...(zone === undefined ? {} : { zone }) };
      const share = isWeightedByPods ? (endpoints?.get(node.metadata.name) ?? 0) : 1;
      const weight = boundedWeight(share * nodeWeight(node, skipped));
      return internalAddresses(node, families, skipped).map(
        (address): Target => ({ type: 'node', address, port: nodePort, ...place, weight, state: 'active' }),
      );
    });
  return sortedUnique(targets);
}

/**
 * Endpoints: ready ones are active; terminating ones that still serve are draining (open connections only). With
 * `withUnready` those that are not ready yet are targets of weight 0: a load balancer checks them and sends them nothing,
 * and a readiness gate waits for what it finds.
 */
export function podTargets(
  view: ServiceView,
  port: ServicePort,
  { withUnready }: { withUnready: boolean },
  skipped: Skipped[],
): Target[] {
  const weights = unusualWeights(view.nodes, skipped);
  const targets: Target[] = [];
  for (const { slice, targetPort } of slicesOf(view, port)) {
    const path = `EndpointSlice ${slice.metadata.name}`;
    for (const endpoint of slice.endpoints) {
      const weight = weights.get(endpoint.nodeName ?? '') ?? 1;
      const standing = standingOf(endpoint, weight, withUnready);
      if (standing === undefined) continue;
      for (const address of validAddresses(endpoint.addresses, path, skipped)) {
        targets.push(podTarget(endpoint, address, targetPort, standing));
      }
    }
  }
  return sortedUnique(targets);
}

/** Of the nodes that say one. */
function unusualWeights(nodes: readonly NodeObject[], skipped: Skipped[]): Map<string, number> {
  const weights = new Map<string, number>();
  for (const node of nodes) {
    const weight = nodeWeight(node, skipped);
    if (weight !== 1) weights.set(node.metadata.name, weight);
  }
  return weights;
}

type Standing = Pick<Target, 'state' | 'weight'>;

function standingOf(endpoint: SliceEndpoint, weight: number, withUnready: boolean): Standing | undefined {
  const state = stateOf(endpoint);
  if (state !== undefined) return { weight, state };
  return withUnready && endpoint.conditions?.terminating !== true ? { weight: 0, state: 'active' } : undefined;
}

/** Written field by field: there are a hundred of these for each change of a large Service, and spreading costs tenfold. */
function podTarget(endpoint: SliceEndpoint, address: string, port: number, { weight, state }: Standing): Target {
  const { nodeName, zone, targetRef } = endpoint;
  const target: Target = { type: 'pod', address, port, weight, state };
  if (nodeName !== undefined) target.node = nodeName;
  if (zone !== undefined) target.zone = zone;
  if (targetRef?.kind === 'Pod' && targetRef.name !== undefined) target.pod = targetRef.name;
  return target;
}

/** Port that the endpoints listen on, whether any is ready or not; undefined while there are none. */
export function endpointPort(view: ServiceView, port: ServicePort): number | undefined {
  const ports = slicesOf(view, port).map(({ targetPort }) => targetPort);
  return ports.length === 0 ? undefined : Math.min(...ports);
}

function readyEndpointsByNode(view: ServiceView, port: ServicePort): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { slice } of slicesOf(view, port)) {
    for (const endpoint of slice.endpoints) {
      if (endpoint.nodeName === undefined || stateOf(endpoint) !== 'active') continue;
      counts.set(endpoint.nodeName, (counts.get(endpoint.nodeName) ?? 0) + 1);
    }
  }
  return counts;
}

function slicesOf(view: ServiceView, port: ServicePort): { slice: EndpointSliceObject; targetPort: number }[] {
  return view.slices.flatMap((slice) => {
    if (slice.addressType === 'FQDN') return [];
    const match = slice.ports.find((entry) => entry.name === port.name && entry.protocol === port.protocol);
    return typeof match?.port === 'number' ? [{ slice, targetPort: match.port }] : [];
  });
}

function stateOf({ conditions }: SliceEndpoint): Target['state'] | undefined {
  if (conditions?.ready ?? true) return 'active';
  return conditions?.terminating === true && (conditions.serving ?? true) ? 'draining' : undefined;
}

function familiesOf(view: ServiceView): Set<'IPv4' | 'IPv6'> {
  return new Set(validAddresses(view.service.spec.clusterIPs, 'spec.clusterIPs', []).map(addressFamily));
}

function internalAddresses(node: NodeObject, families: ReadonlySet<'IPv4' | 'IPv6'>, skipped: Skipped[]): string[] {
  const internal = (node.status.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  const addresses = internal.map(({ address }) => address);
  return validAddresses(addresses, `Node ${node.metadata.name}`, skipped).filter((address) =>
    families.has(addressFamily(address)),
  );
}

function validAddresses(addresses: readonly string[], path: string, skipped: Skipped[]): string[] {
  return addresses.flatMap((text) => {
    const address = canonicalAddress(text);
    if (address === undefined) skipped.push({ path, reason: `not a valid address: ${JSON.stringify(text)}` });
    return address ?? [];
  });
}

/** The same address in two slices counts once; active wins over draining, as kube-proxy's endpoint cache does, and ready over not. */
function sortedUnique(targets: readonly Target[]): Target[] {
  const byPlace = new Map<string, Target>();
  for (const target of targets) {
    const place = `${target.address} ${target.port}`;
    const known = byPlace.get(place);
    if (known === undefined || rank(target) > rank(known)) byPlace.set(place, target);
  }
  const places = [...byPlace.keys()].sort();
  return places.flatMap((place) => byPlace.get(place) ?? []);
}

function rank({ state, weight }: Target): number {
  if (state !== 'active') return 0;
  return weight === 0 ? 1 : 2;
}
