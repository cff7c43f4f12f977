import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listSchema, registrationItemSchema } from '@signalbox/contracts';
import { listDocuments } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { registrationExample } from '../examples.ts';
import { answerList, toPlace } from '../list.ts';
import { placeQuery } from '../parameters.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/registrations',
  tags: ['Registrations'],
  summary: 'Load-balancer registrations of all clusters that are synced, by cluster, namespace and service',
  request: {
    query: placeQuery.extend({
      class: z
        .string()
        .max(253)
        .optional()
        .openapi({ param: { description: '`spec.loadBalancerClass`; empty for services without one.' } }),
    }),
  },
  responses: answers(listSchema(registrationItemSchema), 'One page of registrations', {
    items: [registrationExample],
    revision: 42,
    next: null,
  }),
});

export function addRegistrationRoutes(app: OpenAPIHono, { store }: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    const { cluster, namespace, class: loadBalancerClass } = query;
    return c.json(
      answerList({ c, store, query }, [cluster, namespace, loadBalancerClass], (state) => ({
        rowsAfter: (place, limit) =>
          listDocuments(store, {
            layer: 'lb',
            cluster,
            namespace,
            after: toPlace(place),
            revision: state.revision,
            limit,
          }),
        placeOf: ({ key }) => [key.cluster, key.namespace, key.name],
        itemsOf: ({ key, revision, document }) => {
          if (state.missingLayers(key.cluster).includes('lb')) return [];
          const own = { cluster: key.cluster, namespace: key.namespace, service: key.name, revision };
          return (document?.registrations ?? [])
            .filter((item) => loadBalancerClass === undefined || item.loadBalancerClass === loadBalancerClass)
            .map((item) => ({ ...item, ...own }));
        },
      })),
      200,
    );
  });
}
