/** Service rules → virtual servers and their real servers, in the words of `ipvsadm --restore`. */
import type { PlanEndpoint } from '@signalbox/contracts';
import { boundedWeights } from '../endpoint-weights.ts';
import type { KernelParts } from '../kernel-parts.ts';
import type { ServiceRules, TrafficRules, TransportProtocol } from '../service-rules.ts';

export const IPVS_SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh'] as const;
export type IpvsScheduler = (typeof IPVS_SCHEDULERS)[number];

const SERVICE_FLAGS: Readonly<Record<TransportProtocol, string>> = {
  tcp: '-t',
  udp: '-u',
  sctp: '--sctp-service',
};

export const VIRTUAL_SERVERS = 'virtual servers';
export const REAL_SERVERS = 'real servers';

/**
 * One virtual server per address and port; one without real servers answers with "port unreachable". Keys and values are
 * words of `ipvsadm`: `-t 10.96.0.10:80` is `-s rr`, `-t 10.96.0.10:80 -r 10.244.1.1:8080` is `-m -w 1`.
 */
export function addVirtualServers(
  parts: KernelParts,
  rules: ServiceRules,
  nodeAddresses: readonly string[],
  scheduler: IpvsScheduler,
): void {
  const { port, nodePort } = rules;
  const persistence = rules.affinitySeconds === undefined ? '' : ` -p ${rules.affinitySeconds}`;
  const add = (address: string, port: number, traffic: TrafficRules): void => {
    const server = `${SERVICE_FLAGS[rules.protocol]} ${socketText(address, port)}`;
    parts.addEntry(VIRTUAL_SERVERS, server, `-s ${scheduler}${persistence}`);
    const endpoints = endpointsFor(rules, traffic);
    const weights = boundedWeights(endpoints);
    for (const [index, endpoint] of endpoints.entries()) {
      const key = `${server} -r ${socketText(endpoint.address, endpoint.port)}`;
      parts.addEntry(REAL_SERVERS, key, `-m -w ${weights[index] ?? 1}`);
    }
  };
  for (const address of rules.clusterIPs) add(address, port, rules.internal);
  for (const address of [...rules.externalIPs, ...rules.loadBalancerVIPs]) add(address, port, rules.external);
  for (const address of nodePort === undefined ? [] : nodeAddresses) add(address, nodePort ?? 0, rules.external);
}

/**
 * IPVS cannot tell pods from other clients. As kube-proxy does, a Local policy without local endpoints falls back to the
 * Cluster ones, so that pods of this node can still reach the service.
 */
function endpointsFor({ cluster, local }: ServiceRules, { policy }: TrafficRules): readonly PlanEndpoint[] {
  return policy === 'Local' && local.length > 0 ? local : cluster;
}

function socketText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
