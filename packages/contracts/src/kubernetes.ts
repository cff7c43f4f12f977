/**
 * The parts of Kubernetes objects that Signalbox reads.
 *
 * Each schema strips what it does not name, so parsing an object is also what cuts it down at the edge: `managedFields`,
 * `ownerReferences`, container specs and heartbeats never reach the event log. A field is added here when a compiler
 * starts to read it, and only then. Defaults are those of the Kubernetes API, so that manifests (which have not passed an
 * API server) and API objects give the same model.
 */
import { z } from 'zod';

/** Annotations that compilers read; everything else (kubectl's last-applied copy above all) is dropped at the edge. */
export const ANNOTATION_PREFIXES = [
  'signalbox.dev/',
  'external-dns.alpha.kubernetes.io/',
  'service.kubernetes.io/',
  'service.beta.kubernetes.io/',
] as const;

const protocolSchema = z.enum(['TCP', 'UDP', 'SCTP']);
export type Protocol = z.infer<typeof protocolSchema>;

const portNumber = z.int().min(1).max(65_535);
/** RFC 1035 label as Kubernetes requires of Service names (RFC 1123 allows a leading digit since 1.34). */
const dnsLabel = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be a lower-case DNS label');
const dnsSubdomain = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, 'must be a lower-case DNS subdomain');

const labels = z.record(z.string(), z.string()).optional();
const annotations = z.record(z.string(), z.string()).optional().transform(keepReadAnnotations);

function keepReadAnnotations(all: Record<string, string> | undefined): Record<string, string> | undefined {
  if (all === undefined) return undefined;
  const kept = Object.entries(all).filter(([key]) => ANNOTATION_PREFIXES.some((prefix) => key.startsWith(prefix)));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

const servicePortSchema = z.object({
  name: z.string().max(63).default(''),
  protocol: protocolSchema.default('TCP'),
  port: portNumber,
  /** Port number, or name of a container port; absent means the same as `port`. */
  targetPort: z.union([portNumber, z.string().min(1).max(63)]).optional(),
  nodePort: portNumber.optional(),
  appProtocol: z.string().optional(),
});

const loadBalancerIngressSchema = z.object({
  ip: z.string().optional(),
  hostname: z.string().optional(),
  /** `Proxy` means that nodes must not treat the address as theirs (KEP-1860). */
  ipMode: z.enum(['VIP', 'Proxy']).optional(),
  ports: z.array(z.object({ port: portNumber, protocol: protocolSchema, error: z.string().optional() })).optional(),
});

export const serviceObjectSchema = z.object({
  kind: z.literal('Service'),
  metadata: z.object({
    name: dnsLabel,
    namespace: dnsLabel,
    uid: z.string().optional(),
    labels,
    annotations,
  }),
  spec: z.object({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
    /** `['None']` for a headless Service; empty for ExternalName or when nothing was allocated. */
    clusterIPs: z.array(z.string()).default([]),
    ipFamilies: z.array(z.enum(['IPv4', 'IPv6'])).optional(),
    ipFamilyPolicy: z.string().optional(),
    ports: z.array(servicePortSchema).default([]),
    selector: z.record(z.string(), z.string()).optional(),
    externalIPs: z.array(z.string()).optional(),
    externalName: z.string().optional(),
    sessionAffinity: z.enum(['None', 'ClientIP']).default('None'),
    sessionAffinityConfig: z
      .object({ clientIP: z.object({ timeoutSeconds: z.int().min(1).max(86_400).optional() }).optional() })
      .optional(),
    externalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(),
    internalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(),
    trafficDistribution: z.string().optional(),
    healthCheckNodePort: z.int().min(0).max(65_535).optional(),
    publishNotReadyAddresses: z.boolean().optional(),
    loadBalancerIP: z.string().optional(),
    loadBalancerClass: z.string().optional(),
    loadBalancerSourceRanges: z.array(z.string()).optional(),
    allocateLoadBalancerNodePorts: z.boolean().optional(),
  }),
  status: z
    .object({ loadBalancer: z.object({ ingress: z.array(loadBalancerIngressSchema).optional() }).optional() })
    .optional(),
});
export type ServiceObject = z.infer<typeof serviceObjectSchema>;
export type ServicePort = z.infer<typeof servicePortSchema>;
export type LoadBalancerIngress = z.infer<typeof loadBalancerIngressSchema>;

const endpointSchema = z.object({
  addresses: z.array(z.string()).min(1).max(100),
  /** Absent `ready` and `serving` mean true, absent `terminating` means false (API reference of EndpointConditions). */
  conditions: z
    .object({
      ready: z.boolean().nullish(),
      serving: z.boolean().nullish(),
      terminating: z.boolean().nullish(),
    })
    .optional(),
  hostname: z.string().optional(),
  nodeName: z.string().optional(),
  zone: z.string().optional(),
  hints: z
    .object({
      forZones: z.array(z.object({ name: z.string() })).optional(),
      forNodes: z.array(z.object({ name: z.string() })).optional(),
    })
    .optional(),
  targetRef: z
    .object({ kind: z.string().optional(), namespace: z.string().optional(), name: z.string().optional() })
    .optional(),
});

export const endpointSliceObjectSchema = z.object({
  kind: z.literal('EndpointSlice'),
  metadata: z.object({
    name: dnsSubdomain,
    namespace: dnsLabel,
    labels,
  }),
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z
    .array(endpointSchema)
    .nullish()
    .transform((value) => value ?? []),
  ports: z
    .array(
      z.object({
        name: z
          .string()
          .nullish()
          .transform((value) => value ?? ''),
        protocol: protocolSchema.nullish().transform((value) => value ?? ('TCP' as const)),
        port: portNumber.nullish(),
        appProtocol: z.string().nullish(),
      }),
    )
    .nullish()
    .transform((value) => value ?? []),
});
export type EndpointSliceObject = z.infer<typeof endpointSliceObjectSchema>;
export type SliceEndpoint = EndpointSliceObject['endpoints'][number];

export const nodeObjectSchema = z.object({
  kind: z.literal('Node'),
  metadata: z.object({
    name: dnsSubdomain,
    labels,
    annotations,
    /** Set while the node is being deleted: load balancers are to send it nothing new (KEP-3836). */
    deletionTimestamp: z.string().optional(),
  }),
  spec: z
    .object({
      podCIDRs: z.array(z.string()).optional(),
      unschedulable: z.boolean().optional(),
      taints: z
        .array(z.object({ key: z.string(), value: z.string().optional(), effect: z.string().optional() }))
        .optional(),
    })
    .prefault({}),
  status: z
    .object({
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).optional(),
      /** Heartbeats are stripped: only whether the node is ready is a change. */
      conditions: z
        .array(z.object({ type: z.string(), status: z.string() }))
        .optional()
        .transform((all) => all?.filter((condition) => condition.type === 'Ready')),
    })
    .prefault({}),
});
export type NodeObject = z.infer<typeof nodeObjectSchema>;

export const namespaceObjectSchema = z.object({
  kind: z.literal('Namespace'),
  metadata: z.object({ name: dnsLabel, labels }),
});
export type NamespaceObject = z.infer<typeof namespaceObjectSchema>;

/** What a DNS server has to know of a Pod to tell whether an address is a Pod's. */
export const podObjectSchema = z.object({
  kind: z.literal('Pod'),
  metadata: z.object({ name: dnsSubdomain, namespace: dnsLabel, deletionTimestamp: z.string().optional() }),
  status: z.object({ phase: z.string().optional(), podIP: z.string().optional() }).prefault({}),
});
export type PodObject = z.infer<typeof podObjectSchema>;
