import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listSchema, SignalboxError, serviceDetailSchema, serviceSummarySchema } from '@signalbox/contracts';
import { listObjects, objectAt } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { serviceDetailExample, serviceSummaryExample } from '../examples.ts';
import { parseLabelSelector } from '../label-selector.ts';
import { answerList, toPlace } from '../list.ts';
import { clusterParameter, nameParameter, namespaceParameter, placeQuery, revisionQuery } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { describeService, summarizeService } from '../service-views.ts';
import { readState, requireSynced } from '../state.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/services',
  tags: ['Services'],
  summary: 'Services of all clusters, by cluster, namespace and name',
  request: {
    query: placeQuery.extend({
      labelSelector: z
        .string()
        .max(2_000)
        .optional()
        .openapi({ param: { description: 'As kubectl has it: `a=b,c!=d,e in (x,y),!f`.' }, example: 'app=web' }),
    }),
  },
  responses: answers(listSchema(serviceSummarySchema), 'One page of services', {
    items: [serviceSummaryExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/namespaces/{namespace}/services/{name}',
  tags: ['Services'],
  summary: 'One service with its endpoints and all that is derived of it',
  request: {
    params: z.object({ cluster: clusterParameter, namespace: namespaceParameter, name: nameParameter }),
    query: revisionQuery,
  },
  responses: answers(serviceDetailSchema, 'The service', serviceDetailExample),
});

export function addServiceRoutes(app: OpenAPIHono, { store }: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    const { cluster, namespace, labelSelector } = query;
    const isSelected = parseLabelSelector(labelSelector ?? '');
    return c.json(
      answerList({ c, store, query }, [cluster, namespace, labelSelector], (state) => ({
        rowsAfter: (place, limit) =>
          listObjects(store, {
            kind: 'Service',
            cluster,
            namespace,
            after: toPlace(place),
            revision: state.revision,
            limit,
          }),
        placeOf: ({ key }) => [key.cluster, key.namespace, key.name],
        itemsOf: (service) =>
          isSelected(service.object.metadata.labels ?? {}) ? [summarizeService(store, state, service)] : [],
      })),
      200,
    );
  });

  app.openapi(oneRoute, (c) => {
    const { cluster, namespace, name } = c.req.valid('param');
    const state = readState(store, c.req.valid('query').revision);
    answeredAt(c, state.revision);
    const service = objectAt(store, { kind: 'Service', cluster, namespace, name }, state.revision);
    if (service === undefined) {
      requireSynced(store, state, { cluster });
      throw new SignalboxError('not_found', `there is no service ${namespace}/${name} in the cluster ${cluster}`);
    }
    return c.json(describeService(store, state, service), 200);
  });
}
