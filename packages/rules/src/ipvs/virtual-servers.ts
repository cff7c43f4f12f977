/** Service rules → virtual servers and their real servers, in the words of `ipvsadm --restore`. */
import type { PlanEndpoint } from '@signalbox/contracts';
import { boundedWeights } from '../endpoint-weights.ts';
import type { ServiceRules, TrafficRules, TransportProtocol } from '../service-rules.ts';

export const IPVS_SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh'] as const;
export type IpvsScheduler = (typeof IPVS_SCHEDULERS)[number];

const SERVICE_FLAGS: Readonly<Record<TransportProtocol, string>> = {
  tcp: '-t',
  udp: '-u',
  sctp: '--sctp-service',
};

/** One virtual server per address and port; one without real servers answers with "port unreachable". */
export function virtualServerLines(
  rules: ServiceRules,
  nodeAddresses: readonly string[],
  scheduler: IpvsScheduler,
): string[] {
  const { port, nodePort } = rules;
  const external = [...rules.externalIPs, ...rules.loadBalancerVIPs];
  const lines = rules.clusterIPs.flatMap((address) => serverLines(rules, address, port, rules.internal, scheduler));
  lines.push(...external.flatMap((address) => serverLines(rules, address, port, rules.external, scheduler)));
  if (nodePort === undefined) return lines;
  const onNode = nodeAddresses.flatMap((address) => serverLines(rules, address, nodePort, rules.external, scheduler));
  return [...lines, ...onNode];
}

function serverLines(
  rules: ServiceRules,
  address: string,
  port: number,
  traffic: TrafficRules,
  scheduler: IpvsScheduler,
): string[] {
  const server = `${SERVICE_FLAGS[rules.protocol]} ${socketText(address, port)}`;
  const persistence = rules.affinitySeconds === undefined ? '' : ` -p ${rules.affinitySeconds}`;
  const endpoints = endpointsFor(rules, traffic);
  const weights = boundedWeights(endpoints);
  return [
    `-A ${server} -s ${scheduler}${persistence}`,
    ...endpoints.map(
      (endpoint, index) =>
        `-a ${server} -r ${socketText(endpoint.address, endpoint.port)} -m -w ${weights[index] ?? 1}`,
    ),
  ];
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
