/** What consumers say of themselves in the STATUS stream: how far they have applied a layer. Never part of a revision. */
import { z } from 'zod';
import { LAYERS } from './derived.ts';

export const NODE_AGENT_BACKENDS = ['nftables', 'iptables', 'ipvs', 'userspace'] as const;
export type NodeAgentBackend = (typeof NODE_AGENT_BACKENDS)[number];

/**
 * The last word of one consumer of one layer. While it fails, `revision` stays the last one that was applied whole, and
 * `error` says why there is no later one.
 */
export const ackSchema = z
  .object({
    /** Unique among the consumers of one layer and cluster; a node agent's is the name of its node. */
    consumer: z.string().min(1),
    kind: z.enum(['node-agent']),
    layer: z.enum(LAYERS),
    cluster: z.string().min(1),
    node: z.string().min(1),
    backend: z.enum(NODE_AGENT_BACKENDS),
    /** Watermark reached: all up to it is applied. 0: nothing yet. */
    revision: z.int().min(0),
    /** When that revision was applied, epoch milliseconds; null with revision 0. */
    appliedAtMs: z.int().min(0).nullable(),
    /** Empty while all is well. */
    error: z.string().max(2000),
    /** Services of which something was left out of what is applied. */
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'Ack' });
export type Ack = z.infer<typeof ackSchema>;
