/** The cluster of `npm run bench:rules`: services of ten endpoints on a thousand nodes. */
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';

export const CLUSTER = 'bench';
export const NODE = 'node-0';
export const NODE_ADDRESS = '10.240.0.1';
export const CLUSTER_CIDRS = ['10.244.0.0/16'];
const ENDPOINTS = 10;

/** Each `change` above 0 gives the first endpoint of the service another address. */
export function planOf(index: number, change = 0): ProxyPlan {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, number): PlanEndpoint => {
    const host = index * ENDPOINTS + number;
    const third = number === 0 && change > 0 ? 200 + (change % 50) : (host >> 8) & 255;
    return {
      address: `10.${100 + ((host >> 16) & 127)}.${third}.${host & 255}`,
      family: 'IPv4',
      port: 8080,
      ready: true,
      serving: true,
      terminating: false,
      node: `node-${host % 1000}`,
    };
  });
  return {
    cluster: CLUSTER,
    namespace: `ns-${index % 50}`,
    name: `service-${index}`,
    type: 'ClusterIP',
    clusterIPs: [`10.96.${index >> 8}.${index & 255}`],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, endpoints }],
  };
}

/** Which service changes when: far apart, and none twice in a row. */
export function changedPlan(change: number, services: number): ProxyPlan {
  return planOf((change * 7919) % services, change + 1);
}
