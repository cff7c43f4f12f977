import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type Ack, type ConsumerStatus, consumerStatusSchema, LAYERS, listSchema } from '@signalbox/contracts';
import { listAcks, type Store, stateRevision } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { consumerExample } from '../examples.ts';
import { answerList } from '../list.ts';
import { clusterParameter, listQuery } from '../parameters.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/acks',
  tags: ['Revisions'],
  summary: 'How far node agents and DNS servers have come, by layer, cluster and name',
  description: 'What each has said last, at any revision; who has said nothing is not listed.',
  request: {
    query: listQuery.extend({ layer: z.enum(LAYERS).optional(), cluster: clusterParameter.optional() }),
  },
  responses: answers(listSchema(consumerStatusSchema), 'One page of consumers', {
    items: [consumerExample],
    revision: 42,
    next: null,
  }),
});

export function addAckRoutes(app: OpenAPIHono, { store }: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    const { layer, cluster } = query;
    const list = answerList({ c, store, query }, [layer, cluster], () => ({
      rowsAfter: (place, limit) => listAcks(store, { layer, cluster, after: toAckPlace(place), limit }),
      placeOf: (ack: Ack) => [ack.layer, ack.cluster, ack.consumer],
      itemsOf: (ack: Ack) => [describe(store, ack)],
    }));
    return c.json(list, 200);
  });
}

function toAckPlace([layer, cluster, consumer]: readonly string[] = []) {
  if (layer === undefined || cluster === undefined || consumer === undefined) return undefined;
  return { layer, cluster, consumer };
}

function describe(store: Store, ack: Ack): ConsumerStatus {
  const { layer, cluster, consumer, kind, revision, appliedAtMs, error, skippedServices } = ack;
  const appliedAt = appliedAtMs === null ? null : new Date(appliedAtMs).toISOString();
  const lag = Math.max(0, (stateRevision(store).layers[layer] ?? 0) - revision);
  return { layer, cluster, consumer, kind, revision, appliedAt, lag, error, skippedServices };
}
