/** Plans with defaults, so that a test shows only what matters to it. */
import type { PlanEndpoint, ProxyPlan, ServicePortPlan } from '@signalbox/contracts';

export function aPlan(parts: Partial<ProxyPlan> = {}): ProxyPlan {
  return {
    cluster: 'c1',
    namespace: 'shop',
    name: 'web',
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.10'],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [aPort()],
    ...parts,
  };
}

export function aPort(parts: Partial<ServicePortPlan> = {}): ServicePortPlan {
  return { name: '', protocol: 'TCP', port: 80, endpoints: [anEndpoint()], ...parts };
}

export function anEndpoint(parts: Partial<PlanEndpoint> = {}): PlanEndpoint {
  const address = parts.address ?? '10.244.1.1';
  return {
    address,
    family: address.includes(':') ? 'IPv6' : 'IPv4',
    port: 8080,
    ready: true,
    serving: true,
    terminating: false,
    node: 'n1',
    ...parts,
  };
}
