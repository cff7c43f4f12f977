/** What consumers say of themselves in the STATUS stream: how far they have applied a layer. Never part of a revision. */
import { z } from 'zod';
import { LAYERS } from './derived.ts';

export const NODE_AGENT_BACKENDS = ['nftables', 'iptables', 'ipvs', 'userspace'] as const;
export type NodeAgentBackend = (typeof NODE_AGENT_BACKENDS)[number];

/** Of every kind of consumer. */
const common = {
  /** Unique among the consumers of one layer and cluster; a node agent's is the name of its node. */
  consumer: z.string().min(1),
  layer: z.enum(LAYERS),
  cluster: z.string().min(1),
  /** Watermark reached: all up to it is applied. 0: nothing yet. */
  revision: z.int().min(0),
  /** When that revision was applied, epoch milliseconds; null with revision 0. */
  appliedAtMs: z.int().min(0).nullable(),
  /** Empty while all is well. */
  error: z.string().max(2000),
  /** Services of which something was left out of what is applied. */
  skippedServices: z.int().min(0),
};

const nodeAgentAckSchema = z.object({
  ...common,
  kind: z.literal('node-agent'),
  node: z.string().min(1),
  backend: z.enum(NODE_AGENT_BACKENDS),
});
export type NodeAgentAck = z.infer<typeof nodeAgentAckSchema>;

/** A server has one consumer in every cluster that it answers for. */
const dnsServerAckSchema = z.object({ ...common, kind: z.literal('dns-server') });
export type DnsServerAck = z.infer<typeof dnsServerAckSchema>;

/** A driver of load balancers; its consumer name is its own, once in every cluster that it has target groups of. */
const lbDriverAckSchema = z.object({
  ...common,
  kind: z.literal('lb-driver'),
  loadBalancerClass: z.string(),
});
export type LbDriverAck = z.infer<typeof lbDriverAckSchema>;

/**
 * The last word of one consumer of one layer. While it fails, `revision` stays the last one that was applied whole, and
 * `error` says why there is no later one. A consumer that is gone for good leaves a tombstone.
 */
export const ackSchema = z
  .discriminatedUnion('kind', [nodeAgentAckSchema, dnsServerAckSchema, lbDriverAckSchema])
  .meta({ id: 'Ack' });
export type Ack = z.infer<typeof ackSchema>;
export const ACK_KINDS = ['node-agent', 'dns-server', 'lb-driver'] as const satisfies readonly Ack['kind'][];
