/** What the DERIVED stream carries: documents per service and layer, bad objects that had to be left out, watermarks. */
import { z } from 'zod';
import type { ProxyPlan } from './proxy-plan.ts';
import type { RecordSet } from './record-set.ts';
import type { RegistrationSet } from './registration.ts';

export const LAYERS = ['proxy', 'dns', 'lb'] as const;
export type Layer = (typeof LAYERS)[number];

export interface LayerDocuments {
  readonly proxy: ProxyPlan;
  readonly dns: RecordSet;
  readonly lb: RegistrationSet;
}

/** Something in an object that a compiler had to leave out; the rest of the document is derived. */
export const skippedSchema = z.object({
  /** Where in the object, for example `spec.externalIPs[0]`. */
  path: z.string(),
  reason: z.string(),
});
export type Skipped = z.infer<typeof skippedSchema>;

/** A message of the DERIVED stream. A service without a document in this layer has a tombstone, or nothing. */
export interface DerivedMessage<Document = unknown> {
  /** Highest revision of the objects this content was derived from. */
  readonly revision: number;
  /** When the newest of those objects changed, epoch milliseconds. */
  readonly changedAtMs: number;
  /** Over `document` and `skipped`: equal content is never published twice. */
  readonly contentHash: string;
  /** null when nothing was left of the service after what had to be skipped; `skipped` then says why. */
  readonly document: Document | null;
  readonly skipped: readonly Skipped[];
}

/** What a compiler returns: no document means that the service has nothing in this layer. */
export interface Derivation<Document> {
  readonly document: Document | undefined;
  readonly skipped: readonly Skipped[];
}

/**
 * "Everything up to `revision` is derived in this layer", published after the documents it covers. Consumers serve a
 * cluster only when it is listed: until then its documents are incomplete (invariant: no partial truth).
 */
export const watermarkSchema = z
  .object({
    layer: z.enum(LAYERS),
    revision: z.int().min(0),
    /** Cluster name → its DNS domain. Only clusters that have synced all kinds this layer reads. */
    clusters: z.record(z.string(), z.object({ domain: z.string() })),
    /** Services whose derivation failed or skipped something, now. */
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'Watermark' });
export type Watermark = z.infer<typeof watermarkSchema>;
