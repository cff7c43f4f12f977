import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  ALL_SOURCE_KINDS,
  type Cluster,
  clusterSchema,
  INTENT_CLUSTER,
  LAYERS,
  listSchema,
  type ObjectKind,
  SignalboxError,
  type SourceStatus,
} from '@signalbox/contracts';
import {
  countObjects,
  listObjects,
  type ObjectCount,
  type Store,
  sourceStatuses,
  stateRevision,
} from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { clusterExample } from '../examples.ts';
import { readListQuery } from '../list.ts';
import { readPage } from '../page.ts';
import { clusterParameter, listQuery, revisionQuery } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { readState, type State } from '../state.ts';

/** More clusters than anybody runs; the list is made whole to be one state. */
const MAX_CLUSTERS = 10_000;

const listRoute = createRoute({
  method: 'get',
  path: '/v1/clusters',
  tags: ['Clusters'],
  summary: 'Clusters, how far each is synced, and how its source is doing',
  description:
    'Answers before anything is derived as well. States and messages of kinds are those of now, at any revision.',
  request: { query: listQuery },
  responses: answers(listSchema(clusterSchema), 'One page of clusters', {
    items: [clusterExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}',
  tags: ['Clusters'],
  summary: 'One cluster',
  request: { params: z.object({ cluster: clusterParameter }), query: revisionQuery },
  responses: answers(clusterSchema, 'The cluster', clusterExample),
});

export function addClusterRoutes(app: OpenAPIHono, { store }: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    const { limit, start, requested, filterText } = readListQuery(c.req.valid('query'), []);
    const state = stateOrBeginning(store, requested);
    const clusters = describeClusters(store, state);
    const after = start?.place[0];
    const source = {
      rowsAfter: (place: readonly string[] | undefined, count: number) =>
        clusters.filter(({ name }) => name > (place?.[0] ?? '')).slice(0, count),
      placeOf: ({ name }: Cluster) => [name],
      itemsOf: (cluster: Cluster) => [cluster],
    };
    const from = after === undefined ? undefined : { place: [after], skip: 0 };
    const revision = state?.revision ?? 0;
    answeredAt(c, revision);
    return c.json(readPage(source, { revision, filters: filterText, limit, start: from }), 200);
  });

  app.openapi(oneRoute, (c) => {
    const { cluster: name } = c.req.valid('param');
    const state = stateOrBeginning(store, c.req.valid('query').revision);
    const cluster = describeClusters(store, state).find((candidate) => candidate.name === name);
    if (cluster === undefined) throw new SignalboxError('not_found', `there is no cluster called ${name}`);
    answeredAt(c, state?.revision ?? 0);
    return c.json(cluster, 200);
  });
}

/** Undefined before there is a state: the way to it is what this route is there to show. */
function stateOrBeginning(store: Store, requested: number | undefined): State | undefined {
  const hasState = stateRevision(store).revision !== undefined;
  return hasState || (requested ?? 0) > 0 ? readState(store, requested) : undefined;
}

function describeClusters(store: Store, state: State | undefined): Cluster[] {
  const revision = state?.revision ?? stateRevision(store).head;
  const objects = listObjects(store, { kind: 'Cluster', revision, limit: MAX_CLUSTERS });
  const known = new Map(objects.map(({ object }) => [object.metadata.name, object]));
  const statuses = sourceStatuses(store);
  const counts = countObjects(store, revision);
  const mentioned = [...statuses, ...counts].map(({ cluster }) => cluster).filter((name) => name !== INTENT_CLUSTER);
  const names = new Set([...known.keys(), ...mentioned, ...(state?.clusters ?? [])]);
  return [...names].sort().map((name) => {
    const missing = state?.missingLayers(name) ?? LAYERS;
    return {
      name,
      domain: known.get(name)?.domain ?? null,
      source: known.get(name)?.source ?? null,
      isSynced: missing.length === 0,
      missingLayers: [...missing],
      kinds: describeKinds(statuses.filter(({ cluster }) => cluster === name)),
      counts: countKinds(counts.filter(({ cluster }) => cluster === name)),
    };
  });
}

function describeKinds(statuses: readonly SourceStatus[]): Cluster['kinds'] {
  return ALL_SOURCE_KINDS.flatMap((kind) => statuses.filter((status) => status.kind === kind)).map(
    ({ kind, state, message, objects, skipped, sinceMs }) => ({
      kind,
      state,
      message,
      objects,
      skipped,
      since: new Date(sinceMs).toISOString(),
    }),
  );
}

function countKinds(counts: readonly ObjectCount[]): Cluster['counts'] {
  const of = (kind: ObjectKind): number => counts.find((count) => count.kind === kind)?.count ?? 0;
  return {
    services: of('Service'),
    endpointSlices: of('EndpointSlice'),
    nodes: of('Node'),
    namespaces: of('Namespace'),
  };
}
