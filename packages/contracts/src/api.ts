/**
 * What the HTTP API answers. Times are ISO 8601 in UTC. `revision` in an answer is the revision that the answer is true
 * for: every object and every document in it comes from that prefix of the log, unless a field says otherwise.
 */
import { z } from 'zod';
import { ACK_KINDS, NODE_AGENT_BACKENDS } from './acks.ts';
import {
  leaseChangeSchema,
  OTHER_OBJECT_KINDS,
  reportChangeSchema,
  targetGroupsChangeSchema,
  targetsWatermarkChangeSchema,
} from './api-load-balancers.ts';
import { layerProgressSchema } from './convergence.ts';
import { LAYERS, skippedSchema } from './derived.ts';
import { ERROR_CODES, type ErrorCode } from './errors.ts';
import { INTENT_KINDS } from './intents.ts';
import { serviceObjectSchema } from './kubernetes.ts';
import { ALL_SOURCE_KINDS, clusterObjectSchema } from './objects.ts';
import { proxyPlanSchema } from './proxy-plan.ts';
import { dnsRecordSchema, recordSetSchema } from './record-set.ts';
import { registrationSchema, registrationSetSchema } from './registration.ts';
import { sourceStateSchema, sourceStatusSchema } from './source-status.ts';

const revision = z.int().min(0);
const timestamp = z.iso.datetime();
const layer = z.enum(LAYERS);
const objectKind = z.enum([...ALL_SOURCE_KINDS, 'Cluster', ...INTENT_KINDS, ...OTHER_OBJECT_KINDS]);

export const RULES_BACKENDS = ['nftables', 'iptables', 'ipvs'] as const;
export type RulesBackend = (typeof RULES_BACKENDS)[number];
export const RULES_FAMILIES = ['ipv4', 'ipv6', 'both'] as const;
export type RulesFamily = (typeof RULES_FAMILIES)[number];

/** The revision that an answer is true for; JSON answers say it in `revision` as well. */
export const REVISION_HEADER = 'x-signalbox-revision';
/** Of a request: the least revision that its answer may have. */
export const MIN_REVISION_HEADER = 'x-signalbox-min-revision';
/** `latest`: what the event log holds when the request comes. */
export type MinRevision = number | 'latest';

/** RFC 9457. `code` is the stable name to program against; `type` is a URI of the same. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    /** Which parameters are wrong, and why. */
    errors: z.array(z.object({ parameter: z.string(), message: z.string() })).optional(),
    /** Where an answer would have been of too low a revision: that one, and the one that was asked for. */
    revision: revision.optional(),
    minRevision: revision.optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problemSchema>;

/** One page. `next` goes into `?next=` for the following one, and is null on the last; every page has the same revision. */
export function listSchema<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), revision, next: z.string().nullable() });
}
export interface List<Item> {
  readonly items: readonly Item[];
  readonly revision: number;
  readonly next: string | null;
}

export const clusterSchema = z
  .object({
    name: z.string(),
    /** Null until the source has put the cluster into the log. */
    domain: z.string().nullable(),
    source: clusterObjectSchema.shape.source.nullable(),
    /** Every layer derives this cluster. Until then nothing derived of it is served. */
    isSynced: z.boolean(),
    /** Layers that do not have the cluster yet. */
    missingLayers: z.array(layer),
    kinds: z.array(
      z.object({
        kind: z.enum(ALL_SOURCE_KINDS),
        state: sourceStateSchema,
        message: z.string(),
        objects: z.int(),
        skipped: z.int(),
        since: timestamp,
      }),
    ),
    /** Objects at this revision. */
    counts: z.object({ services: z.int(), endpointSlices: z.int(), nodes: z.int(), namespaces: z.int() }),
  })
  .meta({ id: 'Cluster' });
export type Cluster = z.infer<typeof clusterSchema>;

export const serviceSummarySchema = z
  .object({
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    /** Of the Service object's content. */
    revision,
    type: serviceObjectSchema.shape.spec.shape.type,
    clusterIPs: z.array(z.string()),
    /** Addresses and host names of the load balancer, from the Service's status, and its external IPs. */
    externalAddresses: z.array(z.string()),
    ports: z.array(z.object({ name: z.string(), protocol: z.string(), port: z.int(), nodePort: z.int().optional() })),
    labels: z.record(z.string(), z.string()),
    /** False: the cluster is not synced, so nothing derived is shown. */
    isSynced: z.boolean(),
    /** Distinct endpoint addresses in the proxy plan; null when the service has no plan (headless, ExternalName, not synced). */
    endpoints: z.object({ ready: z.int(), total: z.int() }).nullable(),
    /** Revision of the document in each layer; null when the service has none there. */
    layers: z.object({ proxy: revision.nullable(), dns: revision.nullable(), lb: revision.nullable() }),
  })
  .meta({ id: 'ServiceSummary' });
export type ServiceSummary = z.infer<typeof serviceSummarySchema>;

export const serviceEndpointSchema = z
  .object({
    slice: z.string(),
    /** Of the EndpointSlice. */
    revision,
    addressType: z.string(),
    addresses: z.array(z.string()),
    ready: z.boolean(),
    serving: z.boolean(),
    terminating: z.boolean(),
    node: z.string().optional(),
    zone: z.string().optional(),
    hostname: z.string().optional(),
    target: z.string().optional(),
    ports: z.array(z.object({ name: z.string(), protocol: z.string(), port: z.int().nullable() })),
  })
  .meta({ id: 'ServiceEndpoint' });
export type ServiceEndpoint = z.infer<typeof serviceEndpointSchema>;

const derivedDocument = <Document extends z.ZodType>(document: Document) =>
  z.object({ revision, changedAt: timestamp, document: document.nullable() }).nullable();

export const serviceDetailSchema = z
  .object({
    revision,
    summary: serviceSummarySchema,
    service: serviceObjectSchema,
    endpoints: z.array(serviceEndpointSchema),
    plan: derivedDocument(proxyPlanSchema),
    records: derivedDocument(recordSetSchema),
    registrations: derivedDocument(registrationSetSchema),
    /** What the compilers had to leave out. */
    skipped: z.array(skippedSchema.extend({ layer })),
  })
  .meta({ id: 'ServiceDetail' });
export type ServiceDetail = z.infer<typeof serviceDetailSchema>;

/** What the agent of a node says of itself; null values: it has applied nothing yet. */
export const nodeAgentStatusSchema = z
  .object({
    backend: z.enum(NODE_AGENT_BACKENDS),
    /** Applied whole; 0: none. */
    revision,
    appliedAt: timestamp.nullable(),
    /** Derived revisions that the node has not applied; 0: it is up to date. */
    lag: z.int().min(0),
    /** Why it goes no further; empty while all is well. */
    error: z.string(),
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'NodeAgentStatus' });
export type NodeAgentStatus = z.infer<typeof nodeAgentStatusSchema>;

/** How far one consumer of a layer has come in one cluster: a node agent or a DNS server, by its own word. */
export const consumerStatusSchema = z
  .object({
    layer,
    cluster: z.string(),
    consumer: z.string(),
    kind: z.enum(ACK_KINDS),
    /** Applied whole; 0: none. */
    revision,
    appliedAt: timestamp.nullable(),
    /** Derived revisions that it has not applied; 0: it is up to date. */
    lag: z.int().min(0),
    /** Why it goes no further; empty while all is well. */
    error: z.string(),
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'ConsumerStatus' });
export type ConsumerStatus = z.infer<typeof consumerStatusSchema>;

export const nodeSchema = z
  .object({
    cluster: z.string(),
    name: z.string(),
    revision,
    zone: z.string().nullable(),
    addresses: z.array(z.object({ type: z.string(), address: z.string() })),
    podCIDRs: z.array(z.string()),
    isReady: z.boolean(),
    isSchedulable: z.boolean(),
    /** As it is now, whatever revision was asked for; null when no agent has acknowledged anything. */
    agent: nodeAgentStatusSchema.nullable(),
  })
  .meta({ id: 'Node' });
export type Node = z.infer<typeof nodeSchema>;

export const nodeRulesSchema = z
  .object({
    cluster: z.string(),
    node: z.string(),
    backend: z.enum(RULES_BACKENDS),
    family: z.enum(RULES_FAMILIES),
    revision,
    /** Ready for `nft -f`, `iptables-restore --noflush` and so on, as the backend has it. */
    text: z.string(),
    skipped: z.array(skippedSchema),
  })
  .meta({ id: 'NodeRules' });
export type NodeRules = z.infer<typeof nodeRulesSchema>;

export const zoneSummarySchema = z
  .object({
    cluster: z.string(),
    /** Absolute, with trailing dot. */
    name: z.string(),
    serial: z.int(),
    records: z.int(),
  })
  .meta({ id: 'ZoneSummary' });
export type ZoneSummary = z.infer<typeof zoneSummarySchema>;

export const zoneDetailSchema = z
  .object({
    cluster: z.string(),
    name: z.string(),
    serial: z.int(),
    revision,
    records: z.array(dnsRecordSchema),
  })
  .meta({ id: 'ZoneDetail' });
export type ZoneDetail = z.infer<typeof zoneDetailSchema>;

/**
 * `served`: some DNS server still answers with it. `ttl`: whoever asked before may keep it, and honours the TTL. `grace`: only
 * those may still use it who do not honour TTLs, as many clients do.
 */
export const WITHDRAWN_STATES = ['served', 'ttl', 'grace'] as const;

export const withdrawnRecordSchema = z
  .object({
    /** Owner of the record, absolute. */
    name: z.string(),
    type: z.enum(['A', 'AAAA', 'CNAME']),
    /** As a zone file writes it: the old address, or the old target. */
    data: z.string(),
    ttlSeconds: z.int(),
    /** Whose record it was; of an intent the cluster is empty and the namespace its kind. */
    cluster: z.string(),
    namespace: z.string(),
    service: z.string(),
    /** Nothing of that owner has the name any more. */
    isNameGone: z.boolean(),
    /** The first revision without it, and when that was stored. */
    withdrawnRevision: revision,
    withdrawnAt: timestamp,
    state: z.enum(WITHDRAWN_STATES),
    /** DNS servers that have not acknowledged that revision. */
    servedBy: z.array(z.string()),
    /** When the last cache lets go that honours the TTL; null while it is served. */
    heldUntil: timestamp.nullable(),
  })
  .meta({ id: 'WithdrawnRecord' });
export type WithdrawnRecord = z.infer<typeof withdrawnRecordSchema>;

export const registrationItemSchema = registrationSchema
  .extend({
    cluster: z.string(),
    namespace: z.string(),
    service: z.string(),
    /** Of the document that the registration is part of. */
    revision,
  })
  .meta({ id: 'RegistrationItem' });
export type RegistrationItem = z.infer<typeof registrationItemSchema>;

export const CHANGE_OPERATIONS = ['created', 'updated', 'deleted'] as const;
export type ChangeOperation = (typeof CHANGE_OPERATIONS)[number];

export const revisionSchema = z
  .object({
    revision,
    at: timestamp,
    operation: z.enum(CHANGE_OPERATIONS),
    kind: objectKind,
    cluster: z.string(),
    /** Empty for a kind without namespaces. */
    namespace: z.string(),
    name: z.string(),
  })
  .meta({ id: 'Revision' });
export type Revision = z.infer<typeof revisionSchema>;

export const revisionDetailSchema = revisionSchema
  .extend({
    layers: z.array(layerProgressSchema),
  })
  .meta({ id: 'RevisionDetail' });
export type RevisionDetail = z.infer<typeof revisionDetailSchema>;

/** Events of `GET /v1/changes`, by name; the data of each. */
export const changeDataSchemas = {
  /** An object changed in the log. It counts once a `watermark` with this revision has come for every layer. */
  object: revisionSchema,
  /** A layer derived another document of a service, or none any more. */
  document: z
    .object({
      layer,
      operation: z.enum(CHANGE_OPERATIONS),
      revision,
      cluster: z.string(),
      namespace: z.string(),
      name: z.string(),
    })
    .meta({ id: 'DocumentChange' }),
  /** A layer has derived everything up to its revision. */
  watermark: z
    .object({ layer, revision, clusters: z.array(z.string()), skippedServices: z.int() })
    .meta({ id: 'WatermarkChange' }),
  status: sourceStatusSchema,
  /** The target groups of one Service and class changed. */
  'target-groups': targetGroupsChangeSchema,
  /** All registrations up to the revision have been decided on. */
  'targets-watermark': targetsWatermarkChangeSchema,
  /** A load balancer said something new of a target group. */
  report: reportChangeSchema,
  lease: leaseChangeSchema,
  /** The events since the given id are not kept (or the id is of another store): list again, then follow from this event's id. */
  reset: z.object({ reason: z.string(), revision }).meta({ id: 'ResetChange' }),
} as const;
export type ChangeEvent = keyof typeof changeDataSchemas;
export type ChangeData<Event extends ChangeEvent = ChangeEvent> = z.infer<(typeof changeDataSchemas)[Event]>;

export const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
export type Health = z.infer<typeof healthSchema>;

export const readinessSchema = z
  .object({
    isReady: z.boolean(),
    /** What is still missing, one line each, for people; empty when ready. */
    missing: z.array(z.string()),
    /** Highest revision that every layer has derived. */
    revision,
  })
  .meta({ id: 'Readiness' });
export type ApiReadiness = z.infer<typeof readinessSchema>;
