/** EndpointSlices → the endpoints that DNS may name. */
import type { EndpointSliceObject, SliceEndpoint } from '@signalbox/contracts';
import { type Address, dashedAddress, parseAddress } from './addresses.ts';
import type { Compilation } from './compilation.ts';
import { isHostLabel, isName } from './names.ts';

export interface Endpoint {
  /** Absolute: the endpoint's host label below the Service's name. */
  readonly name: string;
  readonly address: Address;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

/**
 * Ready endpoints, or all where the Service publishes addresses that are not ready; as often as slices list them. An address
 * may be in several slices for a while, as when a controller moves it.
 */
export function collectEndpoints(compilation: Compilation): Endpoint[] {
  return compilation.view.slices.flatMap((slice) => endpointsOfSlice(compilation, slice));
}

function endpointsOfSlice(compilation: Compilation, slice: EndpointSliceObject): Endpoint[] {
  const path = `EndpointSlice ${slice.metadata.name}`;
  if (slice.addressType === 'FQDN') {
    compilation.skipped.push({ path: `${path}: addressType`, reason: 'endpoints of type FQDN have no address' });
    return [];
  }
  const ports = slice.ports.flatMap(({ name, protocol, port }) => (port == null ? [] : [{ name, protocol, port }]));
  const publishesAll = compilation.view.service.spec.publishNotReadyAddresses === true;
  return slice.endpoints.flatMap((endpoint, index) => {
    if (!publishesAll && endpoint.conditions?.ready === false) return [];
    return addressesOf(compilation, slice, endpoint, `${path}: endpoints[${index}]`).map(({ name, address }) => ({
      name,
      address,
      ports,
    }));
  });
}

function addressesOf(
  compilation: Compilation,
  slice: EndpointSliceObject,
  endpoint: SliceEndpoint,
  path: string,
): { name: string; address: Address }[] {
  return endpoint.addresses.flatMap((text, index) => {
    const address = parseAddress(text);
    if (address?.family !== slice.addressType) {
      const reason = `${JSON.stringify(text)} is not an address of type ${slice.addressType}`;
      compilation.skipped.push({ path: `${path}.addresses[${index}]`, reason });
      return [];
    }
    const name = endpointName(compilation, endpoint.hostname, address, `${path}.hostname`);
    return name === undefined ? [] : [{ name, address }];
  });
}

function endpointName(
  { serviceName, skipped }: Compilation,
  hostname: string | undefined,
  address: Address,
  path: string,
): string | undefined {
  const dashed = dashedAddress(address);
  const label = hostname === undefined || hostname === '' ? dashed : hostname.toLowerCase();
  const isRight = isHostLabel(label);
  if (!isRight) skipped.push({ path, reason: `${JSON.stringify(hostname)} is not a DNS label; ${dashed} is used` });
  const name = `${isRight ? label : dashed}.${serviceName}`;
  if (isName(name)) return name;
  skipped.push({ path, reason: `${name} is too long for a domain name` });
  return undefined;
}
