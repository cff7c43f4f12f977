import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  listSchema,
  type Node,
  type NodeAgentStatus,
  nodeRulesSchema,
  nodeSchema,
  RULES_BACKENDS,
  RULES_FAMILIES,
  type RulesFamily,
  SignalboxError,
} from '@signalbox/contracts';
import { type RenderOptions, renderRules, rulesNodeOf } from '@signalbox/rules';
import { ackOf, listObjects, objectAt, type Store, type StoredObject, stateRevision } from '@signalbox/store';
import { answers, answersWithText } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { documentsOfCluster } from '../documents-of-cluster.ts';
import { nodeExample, rulesExample } from '../examples.ts';
import { answerList, type ListRequest, toPlace } from '../list.ts';
import { formatParameter, isJsonWanted } from '../negotiate.ts';
import { clusterParameter, listQuery, nameParameter, revisionQuery } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { readState, requireCluster, requireSynced, type State } from '../state.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';
const FAMILIES: Readonly<Record<RulesFamily, RenderOptions['families']>> = {
  ipv4: ['IPv4'],
  ipv6: ['IPv6'],
  both: ['IPv4', 'IPv6'],
};

const listRoute = createRoute({
  method: 'get',
  path: '/v1/nodes',
  tags: ['Nodes'],
  summary: 'Nodes of all clusters, by cluster and name',
  request: { query: listQuery.extend({ cluster: clusterParameter.optional() }) },
  responses: answers(listSchema(nodeSchema), 'One page of nodes', { items: [nodeExample], revision: 42, next: null }),
});

const listOfClusterRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/nodes',
  tags: ['Nodes'],
  summary: 'Nodes of one cluster by name, with how far their agents have come',
  request: { params: z.object({ cluster: clusterParameter }), query: listQuery },
  responses: answers(listSchema(nodeSchema), 'One page of nodes', { items: [nodeExample], revision: 42, next: null }),
});

const nodeRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/nodes/{node}',
  tags: ['Nodes'],
  summary: 'One node, with how far its agent has come',
  request: { params: z.object({ cluster: clusterParameter, node: nameParameter }), query: revisionQuery },
  responses: answers(nodeSchema, 'The node', nodeExample),
});

const rulesRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/nodes/{node}/rules',
  tags: ['Nodes'],
  summary: 'The rules of one node, rendered here as the node would',
  request: {
    params: z.object({ cluster: clusterParameter, node: nameParameter }),
    query: revisionQuery.extend({
      backend: z.enum(RULES_BACKENDS).default('nftables'),
      family: z
        .enum(RULES_FAMILIES)
        .optional()
        .openapi({ param: { description: 'Default: both with nftables, else ipv4.' } }),
      clusterCIDR: z
        .string()
        .max(500)
        .optional()
        .openapi({ param: { description: 'Where pods live; several with commas.' }, example: '10.244.0.0/16' }),
      format: formatParameter,
    }),
  },
  responses: answersWithText({
    schema: nodeRulesSchema,
    description: 'Text for `nft -f` or `iptables-restore --noflush`; JSON when asked for',
    example: rulesExample,
    textType: 'text/plain',
    textExample: rulesExample.text,
  }),
});

export function addNodeRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    return c.json(listNodes({ c, store, query }, query.cluster), 200);
  });

  app.openapi(listOfClusterRoute, (c) => {
    const { cluster } = c.req.valid('param');
    const query = c.req.valid('query');
    requireCluster(store, readState(store, query.revision), cluster);
    return c.json(listNodes({ c, store, query }, cluster), 200);
  });

  app.openapi(nodeRoute, (c) => {
    const { cluster, node } = c.req.valid('param');
    const state = readState(store, c.req.valid('query').revision);
    answeredAt(c, state.revision);
    return c.json(describeNode(store, requireNode(store, state, { cluster, name: node })), 200);
  });

  app.openapi(rulesRoute, (c) => {
    const { cluster, node: name } = c.req.valid('param');
    const { backend, revision, format, ...query } = c.req.valid('query');
    const family = query.family ?? (backend === 'nftables' ? 'both' : 'ipv4');
    const state = readState(store, revision);
    requireSynced(store, state, { cluster, layer: 'proxy' });
    const node = requireNode(store, state, { cluster, name });
    const plans = documentsOfCluster(store, { layer: 'proxy', cluster, revision: state.revision });
    const rules = renderRules(plans, {
      node: rulesNodeOf(node.object),
      backend,
      families: FAMILIES[family],
      clusterCIDRs: query.clusterCIDR?.split(',').map((cidr) => cidr.trim()) ?? api.clusterCIDRs ?? [],
    });
    answeredAt(c, state.revision);
    if (!isJsonWanted(c.req.header('accept'), format)) return c.text(rules.text, 200);
    const skipped = rules.skipped.map(({ service, path, reason }) => ({ path: `${service}: ${path}`, reason }));
    return c.json({ cluster, node: name, backend, family, revision: state.revision, text: rules.text, skipped }, 200);
  });
}

function listNodes(request: ListRequest, cluster: string | undefined) {
  const { store } = request;
  return answerList(request, [cluster], ({ revision }) => ({
    rowsAfter: (place, limit) => listObjects(store, { kind: 'Node', cluster, after: toPlace(place), revision, limit }),
    placeOf: ({ key }) => [key.cluster, '', key.name],
    itemsOf: (node) => [describeNode(store, node)],
  }));
}

function requireNode(store: Store, state: State, { cluster, name }: { cluster: string; name: string }) {
  const node = objectAt(store, { kind: 'Node', cluster, namespace: '', name }, state.revision);
  if (node !== undefined) return node;
  requireCluster(store, state, cluster);
  throw new SignalboxError('not_found', `there is no node ${name} in the cluster ${cluster}`);
}

function describeNode(store: Store, { key, revision, object }: StoredObject<'Node'>): Node {
  return {
    cluster: key.cluster,
    name: key.name,
    revision,
    zone: object.metadata.labels?.[ZONE_LABEL] ?? null,
    addresses: object.status.addresses ?? [],
    podCIDRs: object.spec.podCIDRs ?? [],
    isReady: object.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    isSchedulable: object.spec.unschedulable !== true,
    agent: agentStatus(store, key),
  };
}

/** A node agent's name as a consumer is that of its node. */
function agentStatus(store: Store, { cluster, name }: { cluster: string; name: string }): NodeAgentStatus | null {
  const ack = ackOf(store, { layer: 'proxy', cluster, consumer: name });
  if (ack?.kind !== 'node-agent') return null;
  const { backend, revision, appliedAtMs, error, skippedServices } = ack;
  const appliedAt = appliedAtMs === null ? null : new Date(appliedAtMs).toISOString();
  const lag = Math.max(0, (stateRevision(store).layers.proxy ?? 0) - revision);
  return { backend, revision, appliedAt, lag, error, skippedServices };
}
