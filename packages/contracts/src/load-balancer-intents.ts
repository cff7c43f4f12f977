/**
 * What people and load balancers ask of registrations, as objects of the event log that belong to no cluster, so that a
 * revision covers them. Absent fields of a policy have the defaults of `packages/registrations`.
 */
import { z } from 'zod';

export const LOAD_BALANCER_INTENT_KINDS = [
  'LoadBalancerPolicy',
  'LoadBalancerConfirmation',
  'LoadBalancerAddress',
] as const;
export type LoadBalancerIntentKind = (typeof LOAD_BALANCER_INTENT_KINDS)[number];

const metadata = z.strictObject({
  name: z
    .string()
    .max(600)
    .regex(/^[a-z0-9_:][a-z0-9_.:-]*$/, 'may hold lower-case letters, digits and _ . : -'),
});
const milliseconds = z.int().min(0).max(86_400_000);
const serviceReference = z.strictObject({
  cluster: z.string().min(1).max(128),
  namespace: z.string().min(1).max(63),
  name: z.string().min(1).max(63),
});

const addressPoolSchema = z.strictObject({
  name: z.string().min(1).max(63),
  /** `192.0.2.0/28`, `192.0.2.10-192.0.2.20` or one address; of either family. */
  ranges: z.array(z.string().min(1).max(100)).min(1).max(100),
});
export type AddressPool = z.infer<typeof addressPoolSchema>;

export const loadBalancerPolicySpecSchema = z
  .strictObject({
    /** `spec.loadBalancerClass` of the Services meant; empty for those without. One policy per class. */
    loadBalancerClass: z.string().max(253),
    /** Targets that come are sent together: `windowMs` after the last one, but at most `maxDelayMs` after the first. */
    additions: z.strictObject({ windowMs: milliseconds.optional(), maxDelayMs: milliseconds.optional() }).optional(),
    /** As RFC 2439 does for routes: each departure costs `penalty`, halved every `halfLifeMs`. */
    flapping: z
      .strictObject({
        penalty: z.int().min(0).max(100_000).optional(),
        halfLifeMs: milliseconds.optional(),
        suppressAbove: z.int().min(1).max(1_000_000).optional(),
        reuseBelow: z.int().min(1).max(1_000_000).optional(),
        maxSuppressMs: milliseconds.optional(),
      })
      .optional(),
    /** Never fewer than `minShare` (0 to 1) of a group's members in one step, until confirmed or after `timeLimitMs`. */
    massRemoval: z
      .strictObject({
        minShare: z.number().min(0).max(1).optional(),
        timeLimitMs: milliseconds.optional(),
        /** How long the last known targets are kept of a cluster that is gone from the log. */
        lostClusterMs: milliseconds.optional(),
      })
      .optional(),
    /** A target that went is kept as draining for this long. */
    drainMs: milliseconds.optional(),
    /** Updates of this class, shared fairly between its Services. Removals are not limited. */
    updates: z
      .strictObject({ perSecond: z.number().positive().optional(), burst: z.int().min(1).optional() })
      .optional(),
    /**
     * A node target waits until its node has acknowledged the rules, at most this long; 0: it does not wait. Only where
     * nodes of the cluster acknowledge at all.
     */
    awaitRulesMs: milliseconds.optional(),
    /** Whether cordoned nodes leave. */
    excludeCordonedNodes: z.boolean().optional(),
    /** Whether nodes that are not ready leave; false leaves that to health checks (KEP-3458). */
    excludeNotReadyNodes: z.boolean().optional(),
    /** `auto`: nodes where there is a node port, else pods. */
    targetType: z.enum(['auto', 'node', 'pod']).optional(),
    /** Services of this class get their address from here: it has no allocator outside. */
    addressPools: z.array(addressPoolSchema).max(100).optional(),
    /** Nothing of this class changes while true. */
    isPaused: z.boolean().optional(),
    /** Services that do not change, `cluster/namespace/name`. */
    pausedServices: z.array(z.string().min(5).max(300)).max(1_000).optional(),
  })
  .meta({ id: 'LoadBalancerPolicySpec' });
export type LoadBalancerPolicySpec = z.infer<typeof loadBalancerPolicySpecSchema>;
export const loadBalancerPolicyObjectSchema = z.object({
  kind: z.literal('LoadBalancerPolicy'),
  metadata,
  spec: loadBalancerPolicySpecSchema,
});
export type LoadBalancerPolicyObject = z.infer<typeof loadBalancerPolicyObjectSchema>;

/** "These removals are meant": releases what the mass-removal guard holds back of one Service, up to a revision. */
export const loadBalancerConfirmationSpecSchema = z
  .strictObject({ service: serviceReference, revision: z.int().min(1) })
  .meta({ id: 'LoadBalancerConfirmationSpec' });
export const loadBalancerConfirmationObjectSchema = z.object({
  kind: z.literal('LoadBalancerConfirmation'),
  metadata,
  spec: loadBalancerConfirmationSpecSchema,
});
export type LoadBalancerConfirmationObject = z.infer<typeof loadBalancerConfirmationObjectSchema>;

/**
 * The address that a Service's load balancer has, from a pool or as its controller reported it. Compilers of all layers
 * see it as `status.loadBalancer.ingress` of the Service while that is empty in the cluster: rules, DNS and registrations
 * follow it under one revision.
 */
export const loadBalancerAddressSpecSchema = z
  .strictObject({
    service: serviceReference,
    ingress: z
      .array(
        z.strictObject({
          ip: z.string().max(45).optional(),
          hostname: z.string().max(253).optional(),
          ipMode: z.enum(['VIP', 'Proxy']).optional(),
        }),
      )
      .max(16),
    /** `pool:NAME`, or `controller:NAME`. */
    source: z.string().max(300),
    /** Services with equal `key` and `policy` may share an address, on different ports (`80/TCP`). */
    sharing: z
      .strictObject({
        key: z.string().max(253),
        ports: z.array(z.string().max(16)).max(1_000),
        policy: z.string().max(100_000),
      })
      .optional(),
    /** What the Service asked for and did not get. */
    problem: z.string().max(2_000).optional(),
  })
  .meta({ id: 'LoadBalancerAddressSpec' });
export const loadBalancerAddressObjectSchema = z.object({
  kind: z.literal('LoadBalancerAddress'),
  metadata,
  spec: loadBalancerAddressSpecSchema,
});
export type LoadBalancerAddressObject = z.infer<typeof loadBalancerAddressObjectSchema>;

/**
 * The one intent name per Service, so that two writers meet on one subject: `namespace.name.cluster`, with what such a
 * name may not hold written as `:` and two hexadecimal digits. No two Services have the same.
 */
export function nameForService(service: { cluster: string; namespace: string; name: string }): string {
  const cluster = service.cluster.replaceAll(/[^a-z0-9_.-]/g, hexOf);
  return `${service.namespace}.${service.name}.${cluster}`;
}

/** The reverse of `nameForService`; undefined for a name that no Service has. */
export function serviceOfName(name: string): { cluster: string; namespace: string; name: string } | undefined {
  const [namespace = '', service = '', ...rest] = name.split('.');
  const cluster = rest
    .join('.')
    .replace(/:([0-9a-f]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return cluster === '' ? undefined : { cluster, namespace, name: service };
}

/** Names of clusters are ASCII. */
function hexOf(char: string): string {
  return `:${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

export type LoadBalancerIntent = LoadBalancerPolicyObject | LoadBalancerConfirmationObject | LoadBalancerAddressObject;

export function isLoadBalancerIntentKind(kind: string): kind is LoadBalancerIntentKind {
  return LOAD_BALANCER_INTENT_KINDS.some((known) => known === kind);
}
