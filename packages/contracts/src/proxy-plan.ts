/** The proxy layer's document: all that any node needs to program one Service, the same for every node. */
import { z } from 'zod';

const protocol = z.enum(['TCP', 'UDP', 'SCTP']);
const trafficPolicy = z.enum(['Cluster', 'Local']);

/** One endpoint address of one service port. Addresses are canonical text (RFC 5952 for IPv6). */
export const planEndpointSchema = z.object({
  address: z.string(),
  family: z.enum(['IPv4', 'IPv6']),
  port: z.int(),
  ready: z.boolean(),
  serving: z.boolean(),
  terminating: z.boolean(),
  node: z.string().optional(),
  zone: z.string().optional(),
  /** Zones and nodes that the EndpointSlice controller meant this endpoint for (KEP-2433, KEP-3015). */
  hintZones: z.array(z.string()).optional(),
  hintNodes: z.array(z.string()).optional(),
  /** Relative share of new connections; absent means 1. */
  weight: z.int().min(0).optional(),
});
export type PlanEndpoint = z.infer<typeof planEndpointSchema>;

export const servicePortPlanSchema = z.object({
  /** Port name; empty for the single unnamed port. */
  name: z.string(),
  protocol,
  port: z.int(),
  nodePort: z.int().optional(),
  appProtocol: z.string().optional(),
  endpoints: z.array(planEndpointSchema),
});
export type ServicePortPlan = z.infer<typeof servicePortPlanSchema>;

export const proxyPlanSchema = z
  .object({
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    clusterIPs: z.array(z.string()),
    externalIPs: z.array(z.string()),
    /** Load-balancer addresses that nodes treat as theirs: `ipMode` VIP only. */
    loadBalancerVIPs: z.array(z.string()),
    /** Empty means anybody may reach the VIPs. */
    loadBalancerSourceRanges: z.array(z.string()),
    externalTrafficPolicy: trafficPolicy,
    internalTrafficPolicy: trafficPolicy,
    trafficDistribution: z.string().optional(),
    /** Seconds for which one client keeps its endpoint; absent without session affinity. */
    sessionAffinitySeconds: z.int().optional(),
    healthCheckNodePort: z.int().optional(),
    ports: z.array(servicePortPlanSchema),
  })
  .meta({ id: 'ProxyPlan' });
export type ProxyPlan = z.infer<typeof proxyPlanSchema>;
