/**
 * What load balancers are to do: target groups, in the TARGETS stream.
 *
 * A registration (layer `lb`) is what the cluster says, derived from one revision. A target group is what is asked of the
 * load balancer after damping: it lags behind the registration on purpose, by the policy of its class, and says of every
 * target why it is in or out. Its sequence in the TARGETS stream is the `index` that watchers of target groups go by,
 * because a batching window that ends is a change without a new revision.
 */
import { z } from 'zod';
import { registrationSchema } from './registration.ts';

export const TARGET_STATES = ['pending', 'active', 'draining', 'gone'] as const;
/**
 * pending  ─► the cluster wants it, the load balancer is not told yet
 * active   ─► gets traffic
 * draining ─► keeps open connections, gets no new ones
 * gone     ─► out; listed for a while, so that it can be asked why
 */
export type TargetState = (typeof TARGET_STATES)[number];

export const TARGET_REASONS = [
  /** active */
  'ready',
  /** active although the cluster does not want it: a step would remove too many at once */
  'mass-removal-guard',
  /** as it was, because the cluster cannot be read */
  'cluster-unreachable',
  /** as it was, because an administrator paused the class or the service */
  'paused',
  /** pending (or draining still): waits for others, to be sent together */
  'batching',
  /** pending, gone (or draining still): came and went too often */
  'flapping',
  /** pending: the nodes that serve it have not acknowledged the rules */
  'awaiting-rules',
  /** pending: the updates of this class are used up for now */
  'rate-limited',
  /** draining: the endpoint terminates and still serves */
  'terminating',
  /** draining or gone: no longer among the registration's targets */
  'removed',
] as const;
export type TargetReason = (typeof TARGET_REASONS)[number];

export const groupTargetSchema = z.object({
  /** `node` targets are reached at the node's address and nodePort, `pod` targets directly. */
  type: z.enum(['node', 'pod']),
  address: z.string(),
  port: z.int(),
  cluster: z.string(),
  node: z.string().optional(),
  zone: z.string().optional(),
  /** Name of the Pod in the Service's namespace, where the EndpointSlice says it. */
  pod: z.string().optional(),
  weight: z.int().min(0),
  state: z.enum(TARGET_STATES),
  reason: z.enum(TARGET_REASONS),
  /** When it came into this state, epoch milliseconds. */
  sinceMs: z.int().min(0),
  /** When the state ends by itself, where that is known. */
  untilMs: z.int().min(0).optional(),
  /**
   * What the cluster wants of it and the load balancer does not do yet (in, while it is out; or out, while it is in):
   * since when, and since which revision.
   */
  outstanding: z.object({ sinceMs: z.int().min(0), revision: z.int().min(0) }).optional(),
  /** What its departures cost it: the penalty as it was at `atMs`, and whether it is held down until that has decayed. */
  flaps: z.object({ penalty: z.number().min(0), atMs: z.int().min(0), isHeldDown: z.boolean() }).optional(),
});
export type GroupTarget = z.infer<typeof groupTargetSchema>;

export const targetGroupSchema = registrationSchema
  .omit({ targets: true })
  .extend({
    /** In order of address and port. Load balancers use those that are active or draining. */
    targets: z.array(groupTargetSchema),
    /** A removal waits for confirmation or for its time limit: how many targets, and until when. */
    held: z.object({ targets: z.int().min(1), untilMs: z.int().min(0) }).optional(),
    /** How many were active before the removals that began at `sinceMs`: the guard's share is of these. */
    membersBefore: z.object({ count: z.int().min(1), sinceMs: z.int().min(0) }).optional(),
  })
  .meta({ id: 'TargetGroup' });
export type TargetGroup = z.infer<typeof targetGroupSchema>;

/** One message per Service and class: all its target groups. A Service that leaves the class has a tombstone. */
export const targetGroupSetSchema = z
  .object({
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    /** Of the registrations that were looked at last. */
    revision: z.int().min(0),
    /** When the newest object behind `revision` changed, epoch milliseconds. */
    changedAtMs: z.int().min(0),
    /** When this was decided, epoch milliseconds. */
    decidedAtMs: z.int().min(0),
    /** Over what a load balancer has to do with: two sets of equal hash differ in nothing that has to be programmed. */
    programHash: z.string().optional(),
    groups: z.array(targetGroupSchema),
  })
  .meta({ id: 'TargetGroupSet' });
export type TargetGroupSet = z.infer<typeof targetGroupSetSchema>;

/** "All registrations up to `revision` have been decided on": written after the sets it covers. */
export const targetsWatermarkSchema = z.object({ revision: z.int().min(0) }).meta({ id: 'TargetsWatermark' });
export type TargetsWatermark = z.infer<typeof targetsWatermarkSchema>;

export const TARGET_HEALTH = ['healthy', 'unhealthy', 'unknown'] as const;

/** What a load balancer says of one target group: the last word of each, in the STATUS stream. */
export const targetGroupReportSchema = z
  .object({
    /** Who programs it, unique among controllers. */
    controller: z.string().min(1).max(253),
    /** Index of the TargetGroupSet that is programmed; 0: none yet. */
    index: z.int().min(0),
    /** `revision` of that set. */
    revision: z.int().min(0),
    programmedAtMs: z.int().min(0).nullable(),
    /** Why a later one is not programmed; empty while all is well. */
    error: z.string().max(2_000),
    targets: z
      .array(
        z.object({
          address: z.string(),
          port: z.int(),
          health: z.enum(TARGET_HEALTH),
          sinceMs: z.int().min(0),
          detail: z.string().max(500).optional(),
        }),
      )
      .max(10_000),
    reportedAtMs: z.int().min(0),
  })
  .meta({ id: 'TargetGroupReport' });
export type TargetGroupReport = z.infer<typeof targetGroupReportSchema>;

/** Who may program the load balancer of a class. Kept in the STATUS stream, changed by compare and swap. */
export const controllerLeaseSchema = z
  .object({
    /** Empty when it was given back. */
    holder: z.string().max(253),
    /** Rises with every change of holder: what an earlier holder says after that is refused. */
    epoch: z.int().min(0),
    acquiredAtMs: z.int().min(0),
    renewedAtMs: z.int().min(0),
    durationMs: z.int().min(1_000).max(3_600_000),
  })
  .meta({ id: 'ControllerLease' });
export type ControllerLease = z.infer<typeof controllerLeaseSchema>;
