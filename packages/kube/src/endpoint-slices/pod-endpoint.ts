/** What one Pod contributes to one Service: an endpoint per address family, and the ports it resolves. */
import { isIPv4, isIPv6 } from 'node:net';
import type { EndpointSliceObject, NodeObject, ServiceObject, ServicePort, SliceEndpoint } from '@signalbox/contracts';
import ipaddr from 'ipaddr.js';
import type { PodObject } from './pod.ts';

export type SlicePort = EndpointSliceObject['ports'][number];
export type IpFamily = 'IPv4' | 'IPv6';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** A Pod that ended (Succeeded, Failed) or has no address yet is no endpoint; a terminating one still is. */
export function isEndpointPod(pod: PodObject): boolean {
  return pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed' && pod.status.podIPs.length > 0;
}

/** Undefined when the Pod has no address of the family. `node` is undefined when the source does not hold it. */
export function podEndpoint(
  pod: PodObject,
  { service, node, family }: { service: ServiceObject; node: NodeObject | undefined; family: IpFamily },
): SliceEndpoint | undefined {
  const addresses = pod.status.podIPs.flatMap((text) => canonicalAddress(text, family)).sort();
  if (addresses.length === 0) return undefined;
  const { name, namespace, deletionTimestamp } = pod.metadata;
  const serving = pod.status.isReady;
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = node?.metadata.labels?.[ZONE_LABEL] ?? '';
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hasHostname(pod, service) && { hostname: pod.spec.hostname }),
    ...(pod.spec.nodeName !== '' && { nodeName: pod.spec.nodeName }),
    ...(zone !== '' && { zone }),
    ...hintsOf({ service, ready, zone, nodeName: pod.spec.nodeName }),
    targetRef: { kind: 'Pod', namespace, name },
  };
}

/** The Service's ports as this Pod serves them. A named target port that the Pod does not declare is left out. */
export function podPorts(pod: PodObject, service: ServiceObject): SlicePort[] {
  return service.spec.ports.flatMap((port) => {
    const number = targetPortOf(pod, port);
    if (number === undefined) return [];
    const { name, protocol, appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol !== undefined && { appProtocol }) }];
  });
}

function targetPortOf(pod: PodObject, { targetPort, port, protocol }: ServicePort): number | undefined {
  if (typeof targetPort !== 'string') return targetPort ?? port;
  const sidecars = pod.spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...pod.spec.containers, ...sidecars]
    .flatMap(({ ports }) => ports)
    .find((candidate) => candidate.name === targetPort && candidate.protocol === protocol)?.containerPort;
}

/** Addresses are compared as text further on, so each is written the one way (RFC 5952 for IPv6). */
function canonicalAddress(text: string, family: IpFamily): string[] {
  if (isIPv4(text)) return family === 'IPv4' ? [text] : [];
  if (!isIPv6(text)) return [];
  const address = ipaddr.process(text);
  const is6 = address instanceof ipaddr.IPv6;
  if (is6 !== (family === 'IPv6')) return [];
  return [is6 ? address.toRFC5952String() : address.toString()];
}

function hasHostname({ spec, metadata }: PodObject, service: ServiceObject): boolean {
  const { name, namespace } = service.metadata;
  return spec.hostname !== '' && spec.subdomain === name && metadata.namespace === namespace;
}

/**
 * Hints of `spec.trafficDistribution` (KEP-4444, KEP-3015), which only ready endpoints carry:
 *
 *     PreferSameZone, PreferClose   the endpoint's own zone
 *     PreferSameNode                its own zone and node
 *     anything else                 none
 *
 * `service.kubernetes.io/topology-mode: Auto` overrides the field. Its hints share out endpoints by the CPUs of each zone
 * and depend on what they were before, so they are not derived here.
 */
function hintsOf(endpoint: {
  readonly service: ServiceObject;
  readonly ready: boolean;
  readonly zone: string;
  readonly nodeName: string;
}): Pick<SliceEndpoint, 'hints'> {
  const { service, ready, zone, nodeName } = endpoint;
  const distribution = service.spec.trafficDistribution ?? '';
  if (!ready || !['PreferSameZone', 'PreferClose', 'PreferSameNode'].includes(distribution)) return {};
  if (hasTopologyMode(service)) return {};
  const hasNodeHint = distribution === 'PreferSameNode' && nodeName !== '';
  if (zone === '' && !hasNodeHint) return {};
  return {
    hints: {
      ...(zone !== '' && { forZones: [{ name: zone }] }),
      ...(hasNodeHint && { forNodes: [{ name: nodeName }] }),
    },
  };
}

/** The older annotation wins where both are set. */
function hasTopologyMode({ metadata }: ServiceObject): boolean {
  const all = metadata.annotations ?? {};
  const mode = all['service.kubernetes.io/topology-aware-hints'] ?? all['service.kubernetes.io/topology-mode'];
  return mode === 'Auto' || mode === 'auto';
}
