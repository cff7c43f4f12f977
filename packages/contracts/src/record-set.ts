/** The DNS layer's document: every record that one Service or intent gives rise to. */
import { z } from 'zod';

const owner = {
  /** Absolute, lower case, with trailing dot: `web.shop.svc.cluster.local.` or a name under `in-addr.arpa.`. */
  name: z.string(),
  ttlSeconds: z.int().min(0),
  /** Of several sets of records that share name and type, an answer holds one, chosen by weight. */
  choice: z.object({ set: z.string(), weight: z.int().min(0) }).optional(),
};

export const dnsRecordSchema = z
  .discriminatedUnion('type', [
    z.object({ ...owner, type: z.literal('A'), address: z.string() }),
    z.object({ ...owner, type: z.literal('AAAA'), address: z.string() }),
    z.object({
      ...owner,
      type: z.literal('SRV'),
      priority: z.int(),
      weight: z.int(),
      port: z.int(),
      target: z.string(),
    }),
    z.object({ ...owner, type: z.literal('PTR'), target: z.string() }),
    z.object({ ...owner, type: z.literal('CNAME'), target: z.string() }),
    z.object({ ...owner, type: z.literal('TXT'), text: z.array(z.string()) }),
    z.object({ ...owner, type: z.literal('NS'), target: z.string() }),
    z.object({ ...owner, type: z.literal('MX'), preference: z.int(), exchange: z.string() }),
    z.object({ ...owner, type: z.literal('CAA'), flags: z.int(), tag: z.string(), value: z.string() }),
    z.object({
      ...owner,
      type: z.literal('SOA'),
      mname: z.string(),
      rname: z.string(),
      serial: z.int(),
      refreshSeconds: z.int(),
      retrySeconds: z.int(),
      expireSeconds: z.int(),
      minimumSeconds: z.int(),
    }),
  ])
  .meta({ id: 'DnsRecord' });
export type DnsRecord = z.infer<typeof dnsRecordSchema>;
export type DnsRecordType = DnsRecord['type'];

/** As CoreDNS tells Services apart in the metric of its programming latency. */
export const SERVICE_KINDS = ['cluster_ip', 'headless_with_selector', 'headless_without_selector'] as const;
export type ServiceKind = (typeof SERVICE_KINDS)[number];

export const recordSetSchema = z
  .object({
    cluster: z.string(),
    namespace: z.string(),
    name: z.string(),
    records: z.array(dnsRecordSchema),
    /** Of a Service with addresses; absent: an alias, or what an intent asks for. */
    serviceKind: z.enum(SERVICE_KINDS).optional(),
    /** Of a `DnsZone`: the zone it makes, absolute. */
    zone: z.object({ name: z.string(), ttlSeconds: z.int().min(0).optional() }).optional(),
  })
  .meta({ id: 'RecordSet' });
export type RecordSet = z.infer<typeof recordSetSchema>;
