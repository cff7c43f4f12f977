/** One service port → its virtual servers, its addresses on the dummy interface, and its members of the filter's sets. */
import { cidrContains, type Family, hostCidr, parseAddress } from '../addresses.ts';
import { KernelParts } from '../kernel-parts.ts';
import { nodePortNetworks, type RenderContext } from '../render-context.ts';
import type { ServiceRules } from '../service-rules.ts';
import { IP_SETS, ipSetMembers, setText } from './ip-sets.ts';
import { addVirtualServers, type IpvsScheduler } from './virtual-servers.ts';

export interface IpvsContext extends RenderContext {
  readonly scheduler: IpvsScheduler;
}

export const DEVICE = 'kube-ipvs0';
export const ADDRESSES = 'addresses';

/** Services share addresses, and members of sets; virtual servers belong to one service port each. */
export function countedContainers(family: Family): ReadonlySet<string> {
  return new Set([ADDRESSES, ...IP_SETS.map((name) => setText(family, name))]);
}

export function ipvsParts(rules: ServiceRules, family: Family, context: IpvsContext): KernelParts {
  const parts = new KernelParts();
  const nodeAddresses = nodePortAddressesOf(family, context);
  for (const address of [...rules.clusterIPs, ...rules.externalIPs, ...rules.loadBalancerVIPs]) {
    parts.addEntry(ADDRESSES, address);
  }
  for (const [name, member] of ipSetMembers(rules, nodeAddresses)) parts.addEntry(setText(family, name), member);
  addVirtualServers(parts, rules, nodeAddresses, context.scheduler);
  return parts;
}

/** For `ip addr add` and `del`. Without `nodad` an IPv6 address would be unusable until nobody else was found to have it. */
export function addressText(family: Family, address: string): string {
  return `${address}${family === 'IPv4' ? `/32 dev ${DEVICE}` : `/128 dev ${DEVICE} nodad`}`;
}

/** IPVS needs each address by itself; kube-proxy takes all of the node's, or those in the given CIDRs. */
export function nodePortAddressesOf(family: Family, context: RenderContext): string[] {
  const own = context.node.addresses.map(parseAddress).filter((address) => address?.family === family);
  const networks = nodePortNetworks(family, context);
  const allowed = own
    .filter((address) => address !== undefined)
    .filter((address) => networks?.some((cidr) => cidrContains(cidr, hostCidr(address))) ?? true);
  return [...new Set(allowed.map((address) => address.text))];
}
