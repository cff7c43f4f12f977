/** A plan as one node programs it. */
import type { ProxyPlan } from '@signalbox/contracts';

export interface NodePlan extends ProxyPlan {
  /**
   * Set: the plan is what is left of a service, and claims only these entries (see `entriesOf`), behind everybody else:
   * whoever wants one of them has it. What it does not get is not reported as left out.
   */
  readonly lingeringEntries?: readonly string[];
}

/** Where traffic of a service port comes in, at one of the service's addresses. */
export function addressEntry(address: string, protocol: string, port: number): string {
  return `${address} ${protocol.toLowerCase()} port ${port}`;
}

/** The same at addresses of the node. */
export function nodePortEntry(protocol: string, nodePort: number): string {
  return addressEntry('node', protocol, nodePort);
}

/** All places where traffic of the service comes in. */
export function entriesOf({ clusterIPs, externalIPs, loadBalancerVIPs, ports }: ProxyPlan): Set<string> {
  const addresses = [...clusterIPs, ...externalIPs, ...loadBalancerVIPs];
  const entries = ports.flatMap(({ protocol, port, nodePort }) => [
    ...addresses.map((address) => addressEntry(address, protocol, port)),
    ...(nodePort === undefined ? [] : [nodePortEntry(protocol, nodePort)]),
  ]);
  return new Set(entries);
}
