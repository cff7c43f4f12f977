/** What the HTTP API answers of DNS zones. */
import { z } from 'zod';
import { dnsRecordSchema } from './record-set.ts';

const revision = z.int().min(0);
const timestamp = z.iso.datetime();

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
