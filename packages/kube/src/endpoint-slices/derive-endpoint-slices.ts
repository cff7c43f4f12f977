/**
 * EndpointSlices from Pods, as the EndpointSlice controller of Kubernetes 1.36 makes them
 * (staging/src/k8s.io/endpointslice), for sources that hold Pods but no slices.
 *
 * Equal inputs give equal slices, whatever the order of the Pods. That is where it differs from the controller, which
 * fills slices by what they held before and names them at random: which slice an endpoint is in differs, the endpoints do not.
 */
import { createHash } from 'node:crypto';
import type { EndpointSliceObject, NodeObject, ServiceObject, SliceEndpoint } from '@signalbox/contracts';
import { SERVICE_NAME_LABEL } from '@signalbox/contracts';
import ipaddr from 'ipaddr.js';
import type { PodObject } from './pod.ts';
import { type IpFamily, isEndpointPod, podEndpoint, podPorts, type SlicePort } from './pod-endpoint.ts';

export interface DeriveEndpointSlicesInput {
  readonly service: ServiceObject;
  /** Any Pods; those that the selector does not match are left out. */
  readonly pods: readonly PodObject[];
  /** By name. Empty means that nothing is known about nodes: Pods then count without a zone. */
  readonly nodes: ReadonlyMap<string, NodeObject>;
}

export interface DerivedEndpointSlices {
  /** None for a Service without selector and for ExternalName, else at least one per address family. */
  readonly slices: readonly EndpointSliceObject[];
  /** Pods left out because their node is not there (unless the Service publishes addresses that are not ready). */
  readonly podsWithoutNode: readonly PodObject[];
}

export const DERIVED_SLICES_MANAGER = 'manifests.signalbox.dev';
const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const MAX_ENDPOINTS_PER_SLICE = 100;

export function deriveEndpointSlices({ service, pods, nodes }: DeriveEndpointSlicesInput): DerivedEndpointSlices {
  const { spec, metadata } = service;
  if (spec.type === 'ExternalName' || !hasSelector(service)) return { slices: [], podsWithoutNode: [] };
  const selected = pods
    .filter(
      (pod) => pod.metadata.namespace === metadata.namespace && matchesSelector(service, pod) && isEndpointPod(pod),
    )
    .sort((a, b) => compareText(a.metadata.name, b.metadata.name));
  const isPlaced = (pod: PodObject) =>
    nodes.size === 0 || spec.publishNotReadyAddresses === true || nodes.has(pod.spec.nodeName);
  const placed = selected.filter(isPlaced);
  return {
    slices: familiesOf(service).flatMap((family) => slicesOfFamily({ service, pods: placed, nodes, family })),
    podsWithoutNode: selected.filter((pod) => !isPlaced(pod)),
  };
}

export function hasSelector({ spec }: ServiceObject): boolean {
  return Object.keys(spec.selector ?? {}).length > 0;
}

function matchesSelector({ spec }: ServiceObject, { metadata }: PodObject): boolean {
  return Object.entries(spec.selector ?? {}).every(([key, value]) => metadata.labels[key] === value);
}

interface FamilyInput extends DeriveEndpointSlicesInput {
  readonly family: IpFamily;
}

/** Pods that resolve the named ports differently cannot share a slice; without endpoints one empty slice says so. */
function slicesOfFamily(input: FamilyInput): EndpointSliceObject[] {
  const groups = new Map<string, { ports: SlicePort[]; endpoints: SliceEndpoint[] }>();
  for (const pod of input.pods) {
    const endpoint = podEndpoint(pod, { ...input, node: input.nodes.get(pod.spec.nodeName) });
    if (endpoint === undefined) continue;
    const ports = podPorts(pod, input.service);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpoint);
    groups.set(key, group);
  }
  if (groups.size === 0) return [sliceOf(input, { ports: [], endpoints: [], index: 0 })];
  return [...groups.values()].flatMap(({ ports, endpoints }) =>
    chunksOf(endpoints, MAX_ENDPOINTS_PER_SLICE).map((chunk, index) =>
      sliceOf(input, { ports, endpoints: chunk, index }),
    ),
  );
}

function sliceOf(
  { service, family }: FamilyInput,
  { ports, endpoints, index }: { ports: SlicePort[]; endpoints: SliceEndpoint[]; index: number },
): EndpointSliceObject {
  const { name, namespace } = service.metadata;
  return {
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${shortHash([family, ports, index])}`, namespace, labels: labelsOf(service) },
    addressType: family,
    endpoints,
    ports,
  };
}

/** Only what tells a Service's slices apart, so that a change of endpoints is an update and not a new object. */
function shortHash(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
}

/** Slices carry their Service's labels; the reserved ones are the controller's to write. */
function labelsOf({ metadata, spec }: ServiceObject): Record<string, string> {
  const { [HEADLESS_LABEL]: _, ...labels } = metadata.labels ?? {};
  return {
    ...labels,
    ...(spec.clusterIPs[0] === 'None' && { [HEADLESS_LABEL]: '' }),
    [SERVICE_NAME_LABEL]: metadata.name,
    [MANAGED_BY_LABEL]: DERIVED_SLICES_MANAGER,
  };
}

/** A Service that no API server has given families follows its addresses; a headless one then takes both families. */
function familiesOf({ spec }: ServiceObject): readonly IpFamily[] {
  if (spec.ipFamilies !== undefined && spec.ipFamilies.length > 0) return [...new Set(spec.ipFamilies)];
  const ofAddresses = spec.clusterIPs
    .filter((address) => ipaddr.isValid(address))
    .map((address): IpFamily => (ipaddr.IPv6.isValid(address) ? 'IPv6' : 'IPv4'));
  return ofAddresses.length > 0 ? [...new Set(ofAddresses)] : ['IPv4', 'IPv6'];
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
