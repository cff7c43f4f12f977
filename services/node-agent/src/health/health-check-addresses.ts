/** Where health check node ports listen: on the addresses that answer on node ports, as with kube-proxy. */
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** All addresses of both families. */
export const ALL_ADDRESSES = '::';

export interface HealthCheckAddressOptions {
  /** CIDRs, and `primary` for the node's first address of each family. */
  readonly allowed: readonly string[];
  /** Of the Node object. */
  readonly nodeAddresses: readonly string[];
  /** Of this machine; told in tests. */
  readonly ownAddresses?: readonly string[];
}

/** Never empty where the node is not known: then all addresses answer. */
export function healthCheckAddresses(options: HealthCheckAddressOptions): readonly string[] {
  const { allowed, nodeAddresses, ownAddresses = addressesOfInterfaces() } = options;
  if (allowed.includes('::/0')) return [ALL_ADDRESSES];
  const isPrimaryUnknown = allowed.includes('primary') && nodeAddresses.length === 0;
  if (isPrimaryUnknown) return [ALL_ADDRESSES];
  const primary = allowed.includes('primary') ? primaryAddresses(nodeAddresses) : [];
  const networks = allowed.filter((text) => text !== 'primary' && text !== '0.0.0.0/0');
  const inNetworks = ownAddresses.filter((address) => isIn(networks, address));
  const everyIPv4 = allowed.includes('0.0.0.0/0') ? ['0.0.0.0'] : [];
  const others = [...primary, ...inNetworks].filter((address) => everyIPv4.length === 0 || isIPv6(address));
  return [...new Set([...everyIPv4, ...others])];
}

function primaryAddresses(addresses: readonly string[]): string[] {
  const first = [addresses.find((address) => !isIPv6(address)), addresses.find(isIPv6)];
  return first.filter((address) => address !== undefined);
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
