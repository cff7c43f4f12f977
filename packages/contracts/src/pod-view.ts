/** What pods see of Services, as the HTTP API answers it. */
import { z } from 'zod';
import { skippedSchema } from './derived.ts';
import { dnsRecordSchema } from './record-set.ts';

const place = {
  cluster: z.string(),
  namespace: z.string(),
  revision: z.int().min(0),
};

export const podResolvConfSchema = z
  .object({
    ...place,
    nameservers: z.array(z.string()),
    searches: z.array(z.string()),
    options: z.array(z.string()),
    /** The file. */
    text: z.string(),
    /** What the limits cut, and what was not as asked for. */
    skipped: z.array(skippedSchema),
  })
  .meta({ id: 'PodResolvConf' });
export type PodResolvConf = z.infer<typeof podResolvConfSchema>;

export const podEnvSchema = z
  .object({
    ...place,
    /** `service` is `namespace/name` of the Service that gives the variable. */
    variables: z.array(z.object({ name: z.string(), value: z.string(), service: z.string() })),
    skipped: z.array(skippedSchema),
  })
  .meta({ id: 'PodEnv' });
export type PodEnv = z.infer<typeof podEnvSchema>;

/** The object that a record comes from, and since which revision it gives what it gives. Null: the zone itself. */
export const recordOriginSchema = z
  .object({ cluster: z.string(), namespace: z.string(), name: z.string(), revision: z.int().nullable() })
  .nullable();
export type RecordOrigin = z.infer<typeof recordOriginSchema>;

export const RESOLVE_OUTCOMES = ['answer', 'no-data', 'no-such-name', 'not-served', 'not-synced'] as const;

export const resolutionSchema = z
  .object({
    name: z.string(),
    type: z.string(),
    searches: z.array(z.string()),
    ndots: z.int(),
    isFound: z.boolean(),
    /** In the order of asking; the last one found something, or none did. */
    steps: z.array(
      z.object({
        /** The absolute name that was asked for. */
        name: z.string(),
        /** Search domain that it is below; null for the name itself. */
        searchDomain: z.string().nullable(),
        /** `not-served`: outside all zones, so it is for an upstream resolver; `not-synced`: nothing can be said yet. */
        outcome: z.enum(RESOLVE_OUTCOMES),
        records: z.array(z.object({ record: dnsRecordSchema, origins: z.array(recordOriginSchema) })),
      }),
    ),
  })
  .meta({ id: 'Resolution' });
export type Resolution = z.infer<typeof resolutionSchema>;

export const podResolutionSchema = resolutionSchema.extend(place).meta({ id: 'PodResolution' });
export type PodResolution = z.infer<typeof podResolutionSchema>;
