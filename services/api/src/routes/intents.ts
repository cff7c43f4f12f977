import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  INTENT_CLUSTER,
  INTENT_PATHS,
  type IntentPath,
  intentObjectSchema,
  intentRemovalSchema,
  intentSchema,
  listSchema,
  loadBalancerIntentObjectSchema,
  parseIntent,
} from '@signalbox/contracts';
import { listObjects } from '@signalbox/store';
import { bodyLimit } from 'hono/body-limit';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { intentExample } from '../examples.ts';
import { deleteIntent, intentOf, intentRevision, putIntent, readIntent } from '../intent-log.ts';
import { readListQuery, toPlace } from '../list.ts';
import { readPage } from '../page.ts';
import { listQuery } from '../parameters.ts';
import { preconditionOf } from '../precondition.ts';
import { problemOf, problemResponse, RequestProblem } from '../problem.ts';
import { answeredAt } from '../revision-gate.ts';

const MAX_BODY_BYTES = 262_144;

type Kind = (typeof INTENT_PATHS)[IntentPath];

const kind = z.enum(Object.keys(INTENT_PATHS) as [IntentPath, ...IntentPath[]]).openapi({ example: 'dns-records' });
const name = z
  .string()
  .min(1)
  .max(600)
  .openapi({
    param: {
      description:
        'A name of your choice; of a zone, the zone itself without trailing dot; of an address, `NAMESPACE.SERVICE.CLUSTER`.',
    },
    example: 'www',
  });
const anyIntentSchema = intentSchema
  .extend({ intent: z.union([intentObjectSchema, loadBalancerIntentObjectSchema]) })
  .meta({ id: 'AnyIntent' });
/** The kind decides which one it is, so the handler parses it: errors then are of that one alone. */
const specSchema = z
  .record(z.string(), z.unknown())
  .openapi({ description: 'A DnsZoneSpec, DnsRecordsSpec, LoadBalancerPolicySpec and so on, as the kind has it.' });

const listRoute = createRoute({
  method: 'get',
  path: '/v1/intents/{kind}',
  tags: ['Intents'],
  summary: 'What has been asked for: zones, records, names for Services; policies and addresses of load balancers',
  request: { params: z.object({ kind }), query: listQuery.omit({ revision: true }) },
  responses: answers(listSchema(anyIntentSchema), 'One page of intents, by name', {
    items: [intentExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/intents/{kind}/{name}',
  tags: ['Intents'],
  summary: 'One intent; its entity tag is its revision',
  request: { params: z.object({ kind, name }) },
  responses: answers(anyIntentSchema, 'The intent', intentExample),
});

const putRoute = createRoute({
  method: 'put',
  path: '/v1/intents/{kind}/{name}',
  tags: ['Intents'],
  summary: 'Ask for it. `If-Match: "REVISION"` replaces that content only, `If-None-Match: *` makes a new one only',
  request: {
    params: z.object({ kind, name }),
    body: {
      required: true,
      content: { 'application/json': { schema: specSchema, example: intentExample.intent.spec } },
    },
  },
  responses: answers(
    anyIntentSchema,
    'The intent as it is now, and the revision that holds it (201 when new)',
    intentExample,
  ),
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/v1/intents/{kind}/{name}',
  tags: ['Intents'],
  summary: 'Take it back',
  request: { params: z.object({ kind, name }) },
  responses: answers(intentRemovalSchema, 'The revision in which it is gone', { revision: 43 }),
});

export function addIntentRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  app.use('/v1/intents/*', bodyLimit({ maxSize: MAX_BODY_BYTES, onError: () => tooLarge() }));
  app.openapi(listRoute, (c) => {
    const { kind: path } = c.req.valid('param');
    const { limit, start, requested, filterText } = readListQuery(c.req.valid('query'), [path]);
    const revision = requested ?? intentRevision(api);
    answeredAt(c, revision);
    const source = {
      rowsAfter: (place: readonly string[] | undefined, count: number) => {
        const filter = {
          kind: INTENT_PATHS[path],
          cluster: INTENT_CLUSTER,
          after: toPlace(place),
          revision,
          limit: count,
        };
        return listObjects<Kind>(api.store, filter);
      },
      placeOf: ({ key }: { key: { name: string } }) => [INTENT_CLUSTER, '', key.name],
      itemsOf: (row: Parameters<typeof intentOf>[0]) => [intentOf(row)],
    };
    return c.json(readPage(source, { revision, filters: filterText, limit, start }), 200);
  });

  app.openapi(oneRoute, (c) => {
    const { kind: path, name: asked } = c.req.valid('param');
    const intent = readIntent(api, INTENT_PATHS[path], asked);
    answeredAt(c, intentRevision(api));
    c.header('etag', `"${intent.revision}"`);
    return c.json(intent, 200);
  });

  app.openapi(putRoute, async (c) => {
    const { kind: path, name: asked } = c.req.valid('param');
    const object = readBody(path, asked, c.req.valid('json'));
    const { intent, isCreated } = await putIntent(api, object, preconditionOf(c));
    c.header('etag', `"${intent.revision}"`);
    // 201 is told in the description: the OpenAPI document then has one schema for both.
    return c.json(intent, (isCreated ? 201 : 200) as 200);
  });

  app.openapi(deleteRoute, async (c) => {
    const { kind: path, name: asked } = c.req.valid('param');
    const revision = await deleteIntent(api, { kind: INTENT_PATHS[path], name: asked }, preconditionOf(c));
    return c.json({ revision }, 200);
  });
}

function tooLarge(): Response {
  return problemResponse({ ...problemOf('invalid', `the body is longer than ${MAX_BODY_BYTES} bytes`), status: 413 });
}

function readBody(path: IntentPath, asked: string, spec: unknown) {
  const parsed = parseIntent(path, { name: asked }, spec);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ parameter: path.join('.'), message }));
  const detail = errors.map(({ parameter, message }) => `${parameter}: ${message}`).join('; ');
  throw new RequestProblem(problemOf('invalid', detail, errors));
}
