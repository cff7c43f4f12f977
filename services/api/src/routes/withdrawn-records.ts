import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listSchema, type WithdrawnRecord, withdrawnRecordSchema } from '@signalbox/contracts';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { withdrawnRecordExample } from '../examples.ts';
import { answerList } from '../list.ts';
import { placeQuery } from '../parameters.ts';
import { DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS, type WithdrawnRecords } from '../withdrawn-records.ts';

const query = placeQuery.omit({ revision: true }).extend({
  /** Of a record's owner. */
  name: z
    .string()
    .max(254)
    .optional()
    .openapi({ param: { description: 'A DNS name.' }, example: 'web.shop.svc.cluster.local' }),
  address: z
    .string()
    .max(254)
    .optional()
    .openapi({ param: { description: 'The old address.' }, example: '10.244.1.5' }),
  graceSeconds: z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .pipe(z.int().max(MAX_GRACE_SECONDS))
    .default(DEFAULT_GRACE_SECONDS)
    .openapi({
      type: 'integer',
      maximum: MAX_GRACE_SECONDS,
      param: { description: 'How long after its TTL a record is still listed, for clients that ignore TTLs.' },
    }),
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/withdrawn-records',
  tags: ['Zones'],
  summary: 'Addresses that DNS gave out and no longer does: who may still hold them, until when',
  description: 'Of now, back to the oldest revision kept.',
  request: { query },
  responses: answers(listSchema(withdrawnRecordSchema), 'One page of records', {
    items: [withdrawnRecordExample],
    revision: 42,
    next: null,
  }),
});

export function addWithdrawnRecordRoutes(
  app: OpenAPIHono,
  { store, now = Date.now }: ApiDependencies,
  withdrawn: WithdrawnRecords,
): void {
  app.openapi(listRoute, (c) => {
    const asked = c.req.valid('query');
    const { cluster, namespace, name, address, graceSeconds } = asked;
    const owner = name && `${name.toLowerCase().replace(/\.$/, '')}.`;
    const isWanted = (item: WithdrawnRecord) =>
      (cluster === undefined || item.cluster === cluster) &&
      (namespace === undefined || item.namespace === namespace) &&
      (owner === undefined || item.name === owner) &&
      (address === undefined || item.data === address);
    const filters = [cluster, namespace, owner, address, String(graceSeconds)];
    const list = answerList({ c, store, query: asked }, filters, ({ revision }) => {
      const all = withdrawn.list({ revision, nowMs: now(), graceSeconds }).filter(isWanted);
      return {
        rowsAfter: (place, limit) => all.filter((item) => isAfter(placeOf(item), place)).slice(0, limit),
        placeOf,
        itemsOf: (item: WithdrawnRecord) => [item],
      };
    });
    return c.json(list, 200);
  });
}

function placeOf({ cluster, namespace, service, name, type, data }: WithdrawnRecord): string[] {
  return [cluster, `${namespace}/${service}`, `${name} ${type} ${data}`];
}

function isAfter(place: readonly string[], other: readonly string[] | undefined): boolean {
  return other === undefined || place.join('\n') > other.join('\n');
}
