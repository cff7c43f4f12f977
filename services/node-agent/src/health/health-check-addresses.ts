/** Where health check node ports listen: on the addresses that answer on node ports, as with kube-proxy. */
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { EVERY_ADDRESS } from './http-server.ts';

export interface HealthCheckAddressOptions {
  /** CIDRs, and `primary` for the node's first address of each family. */
  readonly allowed: readonly string[];
  /** Of the Node object. */
  readonly nodeAddresses: readonly string[];
  /** Of this machine; told in tests. */
  readonly ownAddresses?: readonly string[];
}

/** All addresses of a family of which none is given, or known of the node, as kube-proxy's NodePortAddresses has it. */
export function healthCheckAddresses(options: HealthCheckAddressOptions): readonly string[] {
  const [ipv4, ipv6] = [addressesOf(options, false), addressesOf(options, true)];
  if (ipv4 === undefined && ipv6 === undefined) return [EVERY_ADDRESS];
  return [...new Set([...(ipv4 ?? ['0.0.0.0']), ...(ipv6 ?? ['::'])])];
}

/** Undefined: all of the family. */
function addressesOf(
  { allowed, nodeAddresses, ownAddresses = addressesOfInterfaces() }: HealthCheckAddressOptions,
  isV6: boolean,
): string[] | undefined {
  const primary = allowed.includes('primary') ? nodeAddresses.find((address) => isIPv6(address) === isV6) : undefined;
  const networks = allowed.filter((text) => text !== 'primary' && isIPv6(text.replace(/\/.*/, '')) === isV6);
  const isGiven = primary !== undefined || networks.length > 0;
  if (!isGiven || networks.some((network) => network.endsWith('/0'))) return undefined;
  const inNetworks = ownAddresses.filter((address) => isIPv6(address) === isV6 && isIn(networks, address));
  return [...(primary === undefined ? [] : [primary]), ...inNetworks];
}

function isIn(networks: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', length] = network.split('/');
    list.addSubnet(base, Number(length), isIPv6(base) ? 'ipv6' : 'ipv4');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Without those that need a zone to be listened on. */
function addressesOfInterfaces(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.map(({ address }) => address).filter((address) => !address.startsWith('fe80:'));
}
