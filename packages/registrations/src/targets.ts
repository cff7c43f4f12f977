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

const ZONE_LABEL = 'topology.kubernetes.io/zone';
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** Set by the cluster autoscaler on a node it is about to delete; cloud controllers leave such nodes out as well. */
const DELETION_TAINT = 'ToBeDeletedByClusterAutoscaler';

/** Nodes that may receive traffic from outside, at their internal addresses of the Service's families. */
export function nodeTargets(
  view: ServiceView,
  port: ServicePort,
  nodePort: number,
  onlyWithEndpoints: boolean,
  skipped: Skipped[],
): Target[] {
  const local = onlyWithEndpoints ? nodesWithReadyEndpoints(view, port) : undefined;
  const families = familiesOf(view);
  const targets = view.nodes
    .filter((node) => isEligible(node) && (local === undefined || local.has(node.metadata.name)))
    .flatMap((node) =>
      internalAddresses(node, families, skipped).map((address): Target => {
        const zone = node.metadata.labels?.[ZONE_LABEL];
        const place = { node: node.metadata.name, ...(zone === undefined ? {} : { zone }) };
        return { type: 'node', address, port: nodePort, ...place, weight: 1, state: 'active' };
      }),
    );
  return sortedUnique(targets);
}

/** Endpoints: ready ones are active; terminating ones that still serve are draining (open connections only). */
export function podTargets(view: ServiceView, port: ServicePort, skipped: Skipped[]): Target[] {
  const targets = slicesOf(view, port).flatMap(({ slice, targetPort }) =>
    slice.endpoints.flatMap((endpoint): Target[] => {
      const state = stateOf(endpoint);
      if (state === undefined) return [];
      const place = {
        ...(endpoint.nodeName === undefined ? {} : { node: endpoint.nodeName }),
        ...(endpoint.zone === undefined ? {} : { zone: endpoint.zone }),
      };
      return validAddresses(endpoint.addresses, `EndpointSlice ${slice.metadata.name}`, skipped).map((address) => ({
        type: 'pod',
        address,
        port: targetPort,
        ...place,
        weight: 1,
        state,
      }));
    }),
  );
  return sortedUnique(targets);
}

function isEligible(node: NodeObject): boolean {
  const isReady = node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  const isExcluded = node.metadata.labels?.[EXCLUDE_LABEL] !== undefined;
  return isReady && !isExcluded && !(node.spec.taints?.some((taint) => taint.key === DELETION_TAINT) ?? false);
}

function nodesWithReadyEndpoints(view: ServiceView, port: ServicePort): Set<string> {
  const names = slicesOf(view, port).flatMap(({ slice }) =>
    slice.endpoints.flatMap((endpoint) =>
      endpoint.nodeName !== undefined && stateOf(endpoint) === 'active' ? [endpoint.nodeName] : [],
    ),
  );
  return new Set(names);
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

/** The same address in two slices counts once; active wins over draining, as kube-proxy's endpoint cache does. */
function sortedUnique(targets: readonly Target[]): Target[] {
  const byPlace = new Map<string, Target>();
  for (const target of targets) {
    const place = `${target.address} ${target.port}`;
    if (byPlace.get(place)?.state !== 'active') byPlace.set(place, target);
  }
  return [...byPlace.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
}
