/**
 * What the HTTP API answers; of nodes, zones and load balancers beside it, in api-*.ts. Times are ISO 8601 in UTC.
 * `revision` in an answer is the revision that the answer is true for: every object and every document in it comes from that
 * prefix of the log, unless a field says otherwise.
 */
import { z } from 'zod';
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
import { recordSetSchema } from './record-set.ts';
import { registrationSchema, registrationSetSchema } from './registration.ts';
import { sourceStateSchema, sourceStatusSchema } from './source-status.ts';

const revision = z.int().min(0);
const timestamp = z.iso.datetime();
const layer = z.enum(LAYERS);
const objectKind = z.enum([...ALL_SOURCE_KINDS, 'Cluster', ...INTENT_KINDS, ...OTHER_OBJECT_KINDS]);

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
