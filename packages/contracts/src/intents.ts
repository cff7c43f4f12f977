/**
 * What people (and ExternalDNS) ask for, as objects of the event log: a revision covers them as it covers a Service.
 * They belong to no cluster, so the cluster of their subject is empty.
 *
 * The rule for names: an intent may only name what lies in a zone that a `DnsZone` makes, and such a zone may lie neither
 * at nor below the domain of a cluster, nor in the reverse zones. So what a cluster's Services are called can never be
 * taken over by an intent. Where a cluster comes later whose domain is in the way, the cluster has the name.
 */
import { z } from 'zod';

export const INTENT_CLUSTER = '';
export const INTENT_KINDS = ['DnsZone', 'DnsRecords', 'DnsAlias'] as const;
export type IntentKind = (typeof INTENT_KINDS)[number];

/** Above this a TTL counts as zero (RFC 2181 §8). */
const ttlSeconds = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .optional();
/** Among the sets that give one name records of one type: how often this one is the answer. 0: never. */
const weight = z.int().min(0).max(255).optional();
/** With or without trailing dot, in either case; compilers check what DNS says of it. */
const domainName = z.string().min(1).max(254);

/** Chosen by whoever asks: a path of the API and a token of a subject. */
export const intentNameSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9*_][a-z0-9*_.-]*$/, 'may hold lower-case letters, digits and * _ . -');
/** `external-dns`: kept by ExternalDNS, which lists and deletes only its own. */
const metadata = z.strictObject({ name: intentNameSchema, owner: z.literal('external-dns').optional() });

export const dnsZoneSpecSchema = z.strictObject({ ttlSeconds }).meta({ id: 'DnsZoneSpec' });
export const dnsZoneObjectSchema = z.object({
  kind: z.literal('DnsZone'),
  /** The name is the zone's, without trailing dot. */
  metadata,
  spec: dnsZoneSpecSchema,
});
export type DnsZoneObject = z.infer<typeof dnsZoneObjectSchema>;

export const INTENT_RECORD_TYPES = ['A', 'AAAA', 'CNAME', 'TXT', 'SRV', 'MX', 'CAA', 'NS'] as const;
export type IntentRecordType = (typeof INTENT_RECORD_TYPES)[number];

export const dnsRecordsSpecSchema = z
  .strictObject({
    name: domainName,
    type: z.enum(INTENT_RECORD_TYPES),
    /** Each as a zone file writes it, `10 mail.example.com`; names are absolute; TXT is the text itself, unquoted. */
    values: z.array(z.string().min(1).max(4_096)).min(1).max(100),
    /** Default: the zone's. */
    ttlSeconds,
    weight,
  })
  .meta({ id: 'DnsRecordsSpec' });
export const dnsRecordsObjectSchema = z.object({ kind: z.literal('DnsRecords'), metadata, spec: dnsRecordsSpecSchema });
export type DnsRecordsObject = z.infer<typeof dnsRecordsObjectSchema>;

export const dnsAliasSpecSchema = z
  .strictObject({
    name: domainName,
    /** Whose public address the name has. Without a cluster: the Services of this name in all of them, together. */
    service: z.strictObject({
      cluster: z.string().min(1).max(128).optional(),
      namespace: z.string().min(1).max(63),
      name: z.string().min(1).max(63),
    }),
    ttlSeconds,
    weight,
  })
  .meta({ id: 'DnsAliasSpec' });
export const dnsAliasObjectSchema = z.object({ kind: z.literal('DnsAlias'), metadata, spec: dnsAliasSpecSchema });
export type DnsAliasObject = z.infer<typeof dnsAliasObjectSchema>;

export const intentObjectSchema = z.discriminatedUnion('kind', [
  dnsZoneObjectSchema,
  dnsRecordsObjectSchema,
  dnsAliasObjectSchema,
]);
export type IntentObject = z.infer<typeof intentObjectSchema>;

export function isIntentKind(kind: string): kind is IntentKind {
  return INTENT_KINDS.some((known) => known === kind);
}

/** The intents that bear on a Service's records; absent from a view where nobody has asked for anything. */
export interface DnsIntents {
  readonly zones: readonly DnsZoneObject[];
  /** Those that name the Service. */
  readonly aliases: readonly DnsAliasObject[];
}

/** What the API tells of an intent; `revision` is that of its content, also its entity tag. */
export const intentSchema = z
  .object({ revision: z.int().min(0), changedAt: z.iso.datetime(), intent: intentObjectSchema })
  .meta({ id: 'Intent' });
export type Intent = z.infer<typeof intentSchema>;

/** `revision` is the one in which the intent is gone. */
export const intentRemovalSchema = z.object({ revision: z.int().min(0) }).meta({ id: 'IntentRemoval' });
