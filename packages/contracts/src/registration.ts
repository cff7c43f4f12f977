/** The load-balancer layer's document: the registrations of one Service, one per service port. */
import { z } from 'zod';

export const LB_ALGORITHMS = ['round-robin', 'least-connections', 'source-hash', 'random'] as const;

export const targetSchema = z.object({
  /** `node` targets are reached at the node's address and nodePort, `pod` targets directly. */
  type: z.enum(['node', 'pod']),
  address: z.string(),
  port: z.int(),
  node: z.string().optional(),
  zone: z.string().optional(),
  /** Name of the Pod in the Service's namespace, where the EndpointSlice says it. */
  pod: z.string().optional(),
  weight: z.int().min(0),
  state: z.enum(['pending', 'active', 'draining']),
});
export type Target = z.infer<typeof targetSchema>;

export const registrationSchema = z
  .object({
    /** Stable name of the target group: `cluster/namespace/service:port/PROTOCOL`. */
    id: z.string(),
    /** `spec.loadBalancerClass`; empty for the cluster's default. */
    loadBalancerClass: z.string(),
    portName: z.string(),
    protocol: z.enum(['TCP', 'UDP', 'SCTP']),
    /** Port that the load balancer listens on. */
    port: z.int(),
    appProtocol: z.string().optional(),
    /** Addresses that the load balancer has (status) or was asked for (spec.loadBalancerIP). */
    addresses: z.array(z.string()),
    hostnames: z.array(z.string()),
    /** Pods become ready only once the load balancer finds them healthy: those that are not ready yet are targets of weight 0. */
    hasReadinessGate: z.literal(true).optional(),
    sourceRanges: z.array(z.string()),
    sessionAffinitySeconds: z.int().optional(),
    /** Default: the load balancer's own, usually in turn. */
    algorithm: z.enum(LB_ALGORITHMS).optional(),
    /** Header that targets expect before the first byte; none when absent. */
    proxyProtocol: z.enum(['v1', 'v2']).optional(),
    /** What is absent is the load balancer's own default. */
    healthCheck: z.object({
      type: z.enum(['tcp', 'http', 'https']),
      port: z.int(),
      path: z.string().optional(),
      intervalMs: z.int().optional(),
      timeoutMs: z.int().optional(),
      /** Checks in a row that make a target healthy, or unhealthy. */
      healthyThreshold: z.int().optional(),
      unhealthyThreshold: z.int().optional(),
    }),
    targets: z.array(targetSchema),
  })
  .meta({ id: 'Registration' });
export type Registration = z.infer<typeof registrationSchema>;

export const registrationSetSchema = z
  .object({
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    registrations: z.array(registrationSchema),
  })
  .meta({ id: 'RegistrationSet' });
export type RegistrationSet = z.infer<typeof registrationSetSchema>;
