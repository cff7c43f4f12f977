/** EndpointSlices → the endpoints of one service port. */
import type { EndpointSliceObject, PlanEndpoint, ServicePort, Skipped, SliceEndpoint } from '@signalbox/contracts';
import { compareText, parseAddress } from './addresses.ts';

type SlicePort = EndpointSliceObject['ports'][number];

/**
 * Endpoints of the slices' ports with this name and protocol, sorted by address and port. The slice carries the number of
 * a named target port, so pods that differ in it are in slices of their own.
 *
 * Pods that move between slices are in two of them for a moment, hand-made slices may overlap, and a new pod can have the
 * address of one that is still terminating: as in kube-proxy 1.36, one that is not terminating stands for an address and
 * port, wherever it is. Of several the first one counts (slices by name), where kube-proxy leaves it to chance. Of an
 * endpoint's addresses only the first one is used, as the API reference says consumers do.
 */
export function compilePlanEndpoints(
  slices: readonly EndpointSliceObject[],
  servicePort: ServicePort,
  skipped: Skipped[],
): PlanEndpoint[] {
  const byTarget = new Map<string, PlanEndpoint>();
  for (const slice of [...slices].sort((a, b) => compareText(a.metadata.name, b.metadata.name))) {
    if (slice.addressType === 'FQDN') continue;
    for (const port of slice.ports.filter((port) => isPortOf(port, servicePort))) {
      addEndpoints(byTarget, slice, port.port ?? 0, skipped);
    }
  }
  return [...byTarget.entries()].sort(([a], [b]) => compareText(a, b)).map(([, endpoint]) => endpoint);
}

/** A slice port without a number means "all ports", which a proxy cannot use. */
function isPortOf(slicePort: SlicePort, servicePort: ServicePort): boolean {
  const hasNumber = typeof slicePort.port === 'number' && slicePort.port >= 1 && slicePort.port <= 65_535;
  return hasNumber && slicePort.name === servicePort.name && slicePort.protocol === servicePort.protocol;
}

function addEndpoints(
  byTarget: Map<string, PlanEndpoint>,
  slice: EndpointSliceObject,
  port: number,
  skipped: Skipped[],
): void {
  for (const [index, sliceEndpoint] of slice.endpoints.entries()) {
    const path = `endpointslices[${slice.metadata.name}].endpoints[${index}].addresses[0]`;
    const text = sliceEndpoint.addresses[0] ?? '';
    const address = parseAddress(text);
    if (address === undefined || address.family !== slice.addressType) {
      const reason = `${JSON.stringify(text.slice(0, 60))} is not an ${slice.addressType} address`;
      if (!skipped.some((known) => known.path === path)) skipped.push({ path, reason });
      continue;
    }
    const endpoint = { address: address.text, family: address.family, port, ...stateOf(sliceEndpoint) };
    const target = `${endpoint.address} ${port}`;
    const known = byTarget.get(target);
    if (known === undefined || (known.terminating && !endpoint.terminating)) byTarget.set(target, endpoint);
  }
}

function stateOf({
  conditions,
  nodeName,
  zone,
  hints,
}: SliceEndpoint): Omit<PlanEndpoint, 'address' | 'family' | 'port'> {
  const hintZones = namesOf(hints?.forZones);
  const hintNodes = namesOf(hints?.forNodes);
  return {
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
    ...(nodeName === undefined ? {} : { node: nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(hintZones.length === 0 ? {} : { hintZones }),
    ...(hintNodes.length === 0 ? {} : { hintNodes }),
  };
}

function namesOf(hints: readonly { readonly name: string }[] | undefined): string[] {
  return [...new Set((hints ?? []).map((hint) => hint.name))].sort(compareText);
}
