/** What the HTTP API tells load balancers, and what it takes from them. Times are ISO 8601 in UTC. */
import { z } from 'zod';
import {
  LOAD_BALANCER_INTENT_KINDS,
  loadBalancerAddressObjectSchema,
  loadBalancerAddressSpecSchema,
  loadBalancerConfirmationObjectSchema,
  loadBalancerPolicyObjectSchema,
} from './load-balancer-intents.ts';
import { groupTargetSchema, TARGET_HEALTH, targetGroupSchema } from './target-groups.ts';

const index = z.int().min(0);
const revision = z.int().min(0);
const timestamp = z.iso.datetime();
/** In paths, the class of Services without a class: no loadBalancerClass can be called that. */
export const NO_CLASS = '_';

export const LEASE_STATES = ['held', 'expired', 'free'] as const;
export const leaseStatusSchema = z
  .object({
    loadBalancerClass: z.string(),
    /** Who has it, or had it last; empty when it was given back. */
    holder: z.string(),
    /** Of the holder: goes with every report. Rises with every `acquire`. */
    epoch: z.int().min(0),
    /** `expired`: the holder has not renewed it in time, so nobody programs this load balancer. */
    state: z.enum(LEASE_STATES),
    acquiredAt: timestamp,
    renewedAt: timestamp,
    expiresAt: timestamp,
  })
  .meta({ id: 'LeaseStatus' });
export type LeaseStatus = z.infer<typeof leaseStatusSchema>;

const holder = z.string().min(1).max(253);
const epoch = z.int().min(1);

export const leaseRequestSchema = z
  .discriminatedUnion('action', [
    z.strictObject({
      action: z.literal('acquire'),
      controller: holder,
      durationMs: z.int().min(1_000).max(3_600_000).default(15_000),
    }),
    z.strictObject({ action: z.literal('renew'), controller: holder, epoch }),
    z.strictObject({ action: z.literal('release'), controller: holder, epoch }),
  ])
  .meta({ id: 'LeaseRequest' });
export type LeaseRequest = z.infer<typeof leaseRequestSchema>;

const targetCounts = z.object({ pending: z.int(), active: z.int(), draining: z.int(), gone: z.int() });

export const loadBalancerSummarySchema = z
  .object({
    loadBalancerClass: z.string(),
    /** Of the last change of any of its target groups. */
    index,
    groups: z.int(),
    targets: targetCounts,
    /** Groups whose newest index is reported as programmed, and groups whose last report is an error. */
    programmed: z.int(),
    failing: z.int(),
    unhealthyTargets: z.int(),
    /** Null: nobody has ever taken it. */
    lease: leaseStatusSchema.nullable(),
    isPaused: z.boolean(),
  })
  .meta({ id: 'LoadBalancerSummary' });
export type LoadBalancerSummary = z.infer<typeof loadBalancerSummarySchema>;

export const loadBalancerListSchema = z.object({ items: z.array(loadBalancerSummarySchema) });
export type LoadBalancerList = z.infer<typeof loadBalancerListSchema>;

const place = {
  cluster: z.string(),
  namespace: z.string(),
  service: z.string(),
  /** Of the TargetGroupSet that the group is part of. */
  index,
  revision,
};

export const targetGroupItemSchema = targetGroupSchema.extend(place).meta({ id: 'TargetGroupItem' });
export type TargetGroupItem = z.infer<typeof targetGroupItemSchema>;

export const targetGroupListSchema = z
  .object({
    /** Into `?index=` to wait for what comes after it. */
    index,
    items: z.array(targetGroupItemSchema),
  })
  .meta({ id: 'TargetGroupList' });
export type TargetGroupList = z.infer<typeof targetGroupListSchema>;

export const targetGroupReportStatusSchema = z
  .object({
    controller: z.string(),
    index,
    revision,
    programmedAt: timestamp.nullable(),
    error: z.string(),
    reportedAt: timestamp,
    /** The newest index is programmed. */
    isCurrent: z.boolean(),
  })
  .meta({ id: 'TargetGroupReportStatus' });

export const targetGroupDetailSchema = targetGroupItemSchema
  .extend({
    targets: z.array(
      groupTargetSchema.extend({
        /** `state` and `reason` for people. */
        why: z.string(),
        /** As the load balancer sees it; null when it has not said. */
        health: z.object({ health: z.enum(TARGET_HEALTH), since: timestamp, detail: z.string().optional() }).nullable(),
      }),
    ),
    /** Null: no load balancer has said anything. */
    report: targetGroupReportStatusSchema.nullable(),
  })
  .meta({ id: 'TargetGroupDetail' });
export type TargetGroupDetail = z.infer<typeof targetGroupDetailSchema>;

const heldBy = { controller: holder, epoch };

export const reportRequestSchema = z
  .strictObject({
    ...heldBy,
    /** `index` and `revision` of the group that is programmed; 0: none yet. */
    index,
    revision,
    /** Why a later one is not programmed; empty while all is well. */
    error: z.string().max(2_000).default(''),
    targets: z
      .array(
        z.strictObject({
          address: z.string().max(253),
          port: z.int().min(0).max(65_535),
          health: z.enum(TARGET_HEALTH),
          detail: z.string().max(500).optional(),
        }),
      )
      .max(10_000)
      .default([]),
  })
  .meta({ id: 'ReportRequest' });
export type ReportRequest = z.infer<typeof reportRequestSchema>;

export const addressRequestSchema = z
  .strictObject({ ...heldBy, ingress: loadBalancerAddressSpecSchema.shape.ingress.min(1) })
  .meta({ id: 'AddressRequest' });

export const loadBalancerIntentObjectSchema = z.discriminatedUnion('kind', [
  loadBalancerPolicyObjectSchema,
  loadBalancerConfirmationObjectSchema,
  loadBalancerAddressObjectSchema,
]);

/** As the intents of DNS. */
export const loadBalancerIntentSchema = z
  .object({ revision, changedAt: timestamp, intent: loadBalancerIntentObjectSchema })
  .meta({ id: 'LoadBalancerIntentItem' });
export type LoadBalancerIntentItem = z.infer<typeof loadBalancerIntentSchema>;

/** Events of the changes feed. */
export const targetGroupsChangeSchema = z
  .object({
    operation: z.enum(['created', 'updated', 'deleted']),
    index,
    loadBalancerClass: z.string(),
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
  })
  .meta({ id: 'TargetGroupsChange' });
export const targetsWatermarkChangeSchema = z.object({ revision }).meta({ id: 'TargetsWatermarkChange' });
export const reportChangeSchema = z
  .object({
    loadBalancerClass: z.string(),
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    port: z.string(),
    controller: z.string(),
    index,
    error: z.string(),
  })
  .meta({ id: 'ReportChange' });
/** Told when the holder changes, not when it renews. */
export const leaseChangeSchema = z
  .object({ loadBalancerClass: z.string(), holder: z.string(), epoch: z.int() })
  .meta({ id: 'LeaseChange' });

export const OTHER_OBJECT_KINDS = [...LOAD_BALANCER_INTENT_KINDS, 'ApiToken'] as const;
