import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { convergenceSchema } from '@signalbox/contracts';
import { layerClustersAt, stateRevision } from '@signalbox/store';
import { answers } from '../answers.ts';
import { describeProgress } from '../convergence.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { convergenceExample } from '../examples.ts';
import { clusterParameter, revisionQuery, wantedRevisionParameter } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { requireCaughtUp, requireCluster } from '../state.ts';

const route = createRoute({
  method: 'get',
  path: '/v1/convergence',
  tags: ['Revisions'],
  summary: 'How far each layer and its node agents, DNS servers and load balancers have come, and who holds it up',
  description:
    'Of now. Answers for revisions as well that are not in the log yet or no longer kept; `signalbox wait` asks here.',
  request: {
    query: revisionQuery.extend({ revision: wantedRevisionParameter.optional(), cluster: clusterParameter.optional() }),
  },
  responses: answers(convergenceSchema, 'Every layer', convergenceExample),
});

export function addConvergenceRoute(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(route, (c) => {
    const { revision, cluster } = c.req.valid('query');
    // Consumers that have not been read yet would not be waited for.
    requireCaughtUp(api);
    const { head } = stateRevision(store);
    if (cluster !== undefined) {
      const clusters = Object.values(layerClustersAt(store, head)).flatMap((layer) => Object.keys(layer));
      requireCluster(store, { revision: head, clusters }, cluster);
    }
    answeredAt(c, head);
    return c.json({ revision: revision ?? null, head, layers: describeProgress(store, { revision, cluster }) }, 200);
  });
}
