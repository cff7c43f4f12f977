/** What the HTTP API answers of nodes, their rules, and whoever consumes a layer. */
import { z } from 'zod';
import { ACK_KINDS, NODE_AGENT_BACKENDS } from './acks.ts';
import { LAYERS, skippedSchema } from './derived.ts';

const revision = z.int().min(0);
const timestamp = z.iso.datetime();

export const RULES_BACKENDS = ['nftables', 'iptables', 'ipvs'] as const;
export type RulesBackend = (typeof RULES_BACKENDS)[number];
export const RULES_FAMILIES = ['ipv4', 'ipv6', 'both'] as const;
export type RulesFamily = (typeof RULES_FAMILIES)[number];

/** What the agent of a node says of itself; null values: it has applied nothing yet. */
export const nodeAgentStatusSchema = z
  .object({
    backend: z.enum(NODE_AGENT_BACKENDS),
    /** Applied whole; 0: none. */
    revision,
    appliedAt: timestamp.nullable(),
    /** Derived revisions that the node has not applied; 0: it is up to date. */
    lag: z.int().min(0),
    /** Why it goes no further; empty while all is well. */
    error: z.string(),
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'NodeAgentStatus' });
export type NodeAgentStatus = z.infer<typeof nodeAgentStatusSchema>;

/** How far one consumer of a layer has come in one cluster: a node agent or a DNS server, by its own word. */
export const consumerStatusSchema = z
  .object({
    layer: z.enum(LAYERS),
    cluster: z.string(),
    consumer: z.string(),
    kind: z.enum(ACK_KINDS),
    /** Applied whole; 0: none. */
    revision,
    appliedAt: timestamp.nullable(),
    /** Derived revisions that it has not applied; 0: it is up to date. */
    lag: z.int().min(0),
    /** Why it goes no further; empty while all is well. */
    error: z.string(),
    skippedServices: z.int().min(0),
  })
  .meta({ id: 'ConsumerStatus' });
export type ConsumerStatus = z.infer<typeof consumerStatusSchema>;

export const nodeSchema = z
  .object({
    cluster: z.string(),
    name: z.string(),
    revision,
    zone: z.string().nullable(),
    addresses: z.array(z.object({ type: z.string(), address: z.string() })),
    podCIDRs: z.array(z.string()),
    isReady: z.boolean(),
    isSchedulable: z.boolean(),
    /** As it is now, whatever revision was asked for; null when no agent has acknowledged anything. */
    agent: nodeAgentStatusSchema.nullable(),
  })
  .meta({ id: 'Node' });
export type Node = z.infer<typeof nodeSchema>;

export const nodeRulesSchema = z
  .object({
    cluster: z.string(),
    node: z.string(),
    backend: z.enum(RULES_BACKENDS),
    family: z.enum(RULES_FAMILIES),
    revision,
    /** Ready for `nft -f`, `iptables-restore --noflush` and so on, as the backend has it. */
    text: z.string(),
    skipped: z.array(skippedSchema),
  })
  .meta({ id: 'NodeRules' });
export type NodeRules = z.infer<typeof nodeRulesSchema>;
