/** What a node's kernel does that it should not, and what it lacks: one report per node, the last one kept. */
import { z } from 'zod';
import { RULES_BACKENDS } from './api-nodes.ts';

/** More differences than this are counted, not listed: a report stays small when a whole table is gone. */
export const DRIFT_DIFFERENCES_MAX = 100;

/** Who programmed the rules that were compared. */
export const DRIFT_OWNERS = ['signalbox', 'kube-proxy'] as const;
export type DriftOwner = (typeof DRIFT_OWNERS)[number];

export const DRIFT_CHANGES = ['added', 'missing', 'changed'] as const;
export type DriftChange = (typeof DRIFT_CHANGES)[number];

export const driftDifferenceSchema = z
  .object({
    family: z.enum(['IPv4', 'IPv6']),
    /** `namespace/name:port`; empty for what belongs to no service, or to one that the kernel does not name. */
    service: z.string(),
    /** `added`: the kernel has it and should not; `missing`: the reverse. */
    what: z.enum(DRIFT_CHANGES),
    where: z.enum(['nat', 'filter']),
    /** `tcp 10.96.0.10:80`, `tcp node:30080` for a node port, or a chain, map or set. */
    at: z.string(),
    expected: z.string(),
    actual: z.string(),
  })
  .meta({ id: 'DriftDifference' });
export type DriftDifference = z.infer<typeof driftDifferenceSchema>;

const count = z.int().min(0);

export const driftReportSchema = z
  .object({
    cluster: z.string(),
    node: z.string(),
    backend: z.enum(RULES_BACKENDS),
    owner: z.enum(DRIFT_OWNERS),
    /** The objects that the kernel was compared with. */
    revision: z.int().min(0),
    checkedAtMs: z.int().min(0),
    differences: z.array(driftDifferenceSchema).max(DRIFT_DIFFERENCES_MAX),
    /** Of all differences, listed or not. */
    totals: z.object({ added: count, missing: count, changed: count }),
    /** Lines of the kernel's answer that could not be read. */
    unreadable: count,
    /** The rules were loaded again, and the kernel had no differences afterwards. */
    repaired: z.boolean(),
    /** Why the kernel could not be read or repaired; empty when it could. */
    error: z.string(),
  })
  .meta({ id: 'DriftReport' });
export type DriftReport = z.infer<typeof driftReportSchema>;

/** As the API answers it. */
export const nodeDriftSchema = driftReportSchema
  .omit({ checkedAtMs: true })
  .extend({ checkedAt: z.iso.datetime() })
  .meta({ id: 'NodeDrift' });
export type NodeDrift = z.infer<typeof nodeDriftSchema>;

export const nodeDriftSummarySchema = nodeDriftSchema.omit({ differences: true }).meta({ id: 'NodeDriftSummary' });
export type NodeDriftSummary = z.infer<typeof nodeDriftSummarySchema>;
