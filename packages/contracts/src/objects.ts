/** What the OBJECTS stream carries: trimmed Kubernetes objects, what Signalbox itself knows of each cluster, and intents. */
import { z } from 'zod';
import { dnsAliasObjectSchema, dnsRecordsObjectSchema, dnsZoneObjectSchema } from './intents.ts';
import {
  endpointSliceObjectSchema,
  namespaceObjectSchema,
  nodeObjectSchema,
  podObjectSchema,
  serviceObjectSchema,
} from './kubernetes.ts';
import {
  loadBalancerAddressObjectSchema,
  loadBalancerConfirmationObjectSchema,
  loadBalancerPolicyObjectSchema,
} from './load-balancer-intents.ts';

/** Kinds that every source reads from its cluster. */
export const SOURCE_KINDS = ['Service', 'EndpointSlice', 'Node', 'Namespace'] as const;
/** Read only where they are asked for: there are many Pods, and they change all the time. */
export const OPTIONAL_KINDS = ['Pod'] as const;
export const ALL_SOURCE_KINDS = [...SOURCE_KINDS, ...OPTIONAL_KINDS] as const;
export type SourceKind = (typeof ALL_SOURCE_KINDS)[number];

/** A cluster's name is chosen by the user (`--manifests NAME=…`, `--context NAME`); it is encoded in subjects. */
export const clusterNameSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[\w.:@/-]+$/, 'may hold letters, digits and _ . : @ / -');

/**
 * Written by a source once its first complete list is in the log, so its revision marks the first prefix of the log that
 * is the whole truth about the cluster: nothing is derived for a cluster whose `syncedKinds` lack a kind that the worker
 * reads. It holds no times, so that a restart writes it again with equal content, that is, not at all.
 */
export const clusterObjectSchema = z.object({
  kind: z.literal('Cluster'),
  metadata: z.object({ name: clusterNameSchema }),
  /** DNS domain of the cluster, without trailing dot, for example `cluster.local`. */
  domain: z.string().min(1).max(200),
  source: z.enum(['kubernetes', 'manifests']),
  syncedKinds: z.array(z.enum(ALL_SOURCE_KINDS)),
});
export type ClusterObject = z.infer<typeof clusterObjectSchema>;

export const logObjectSchema = z.discriminatedUnion('kind', [
  serviceObjectSchema,
  endpointSliceObjectSchema,
  nodeObjectSchema,
  namespaceObjectSchema,
  podObjectSchema,
  clusterObjectSchema,
  dnsZoneObjectSchema,
  dnsRecordsObjectSchema,
  dnsAliasObjectSchema,
  loadBalancerPolicyObjectSchema,
  loadBalancerConfirmationObjectSchema,
  loadBalancerAddressObjectSchema,
]);
export type LogObject = z.infer<typeof logObjectSchema>;
export type ObjectKind = LogObject['kind'];

/** A message of the OBJECTS stream. A deleted object is a tombstone: a message without data. */
export interface ObjectMessage {
  readonly cluster: string;
  /** The API server's resourceVersion of this content; empty for manifests. Opaque: compared for equality only. */
  readonly resourceVersion: string;
  /** When the change happened, epoch milliseconds: EndpointSlice's last-change-trigger-time where set, else when it was read. */
  readonly changedAtMs: number;
  readonly object: LogObject;
}

/** Names an object in one cluster; `namespace` is empty for Node, Namespace and Cluster. */
export interface ObjectKey {
  readonly kind: ObjectKind;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

export interface ServiceKey {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

/** `cluster/namespace/name`: for maps, logs and people. Unambiguous because neither namespace nor name can hold a slash. */
export function serviceKeyText(key: ServiceKey): string {
  return `${key.cluster}/${key.namespace}/${key.name}`;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** The name of the Service an EndpointSlice belongs to, or undefined for a slice that belongs to none. */
export function serviceNameOfSlice(slice: {
  metadata: { labels?: Record<string, string> | undefined };
}): string | undefined {
  return slice.metadata.labels?.[SERVICE_NAME_LABEL];
}
