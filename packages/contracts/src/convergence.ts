/** How far a revision has come: derived by the layers, applied by their consumers. Of now, by the consumers' own word. */
import { z } from 'zod';
import { ACK_KINDS } from './acks.ts';
import { LAYERS } from './derived.ts';

const revision = z.int().min(0);

/** `lb-controller`: a class whose load balancer is programmed by somebody who asks the HTTP API for its target groups. */
export const CONSUMER_KINDS = [...ACK_KINDS, 'lb-controller'] as const;

/** `failing` says why it is not there, `lagging` does not. */
export const CONSUMER_STATES = ['applied', 'lagging', 'failing'] as const;
export type ConsumerState = (typeof CONSUMER_STATES)[number];

/** Consumers listed one by one in a layer's progress; the counts are of all. */
export const MAX_CONSUMERS_BEHIND = 100;

export const consumerBehindSchema = z
  .object({
    cluster: z.string(),
    consumer: z.string(),
    kind: z.enum(CONSUMER_KINDS),
    /** Applied whole; 0: none. */
    revision,
    /** From there to the revision that was asked for. */
    behindBy: z.int().min(1),
    /** When it applied its revision; null when it has not, or does not say. */
    appliedAt: z.iso.datetime().nullable(),
    /** Why it goes no further; empty: it is on its way, or says nothing. */
    error: z.string(),
  })
  .meta({ id: 'ConsumerBehind' });
export type ConsumerBehind = z.infer<typeof consumerBehindSchema>;

export const layerProgressSchema = z
  .object({
    layer: z.enum(LAYERS),
    /** The layer has come to the revision that was asked for, with the cluster when one was named. */
    isDerived: z.boolean(),
    /** How far the layer has come. */
    revision,
    /** What every consumer has; without consumers, what the layer has derived. */
    convergedRevision: revision,
    /** Derived, and applied by every consumer: without consumers, derived is enough. */
    isConverged: z.boolean(),
    consumers: z.object({ total: z.int(), applied: z.int(), lagging: z.int(), failing: z.int() }),
    /** Those that lag or fail: failing first, then the furthest behind; at most 100. */
    behind: z.array(consumerBehindSchema).max(MAX_CONSUMERS_BEHIND),
    /** Services of all clusters of which the layer had to leave something out, now. */
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'LayerProgress' });
export type LayerProgress = z.infer<typeof layerProgressSchema>;

export const convergenceSchema = z
  .object({
    /** As asked; null: each layer is measured by what it has itself derived. */
    revision: revision.nullable(),
    /** Newest revision in the log that this API has read. */
    head: revision,
    layers: z.array(layerProgressSchema),
  })
  .meta({ id: 'Convergence' });
export type Convergence = z.infer<typeof convergenceSchema>;
