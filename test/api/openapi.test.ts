import * as contracts from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { ask, openApi } from './ask.ts';
import { openWorld } from './world.ts';

type Schema = Parameters<typeof contracts.listSchema>[0];

interface MediaType {
  readonly schema?: object;
  readonly example?: unknown;
}
interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: object }[];
  readonly responses: Readonly<Record<string, { description: string; content?: Record<string, MediaType> }>>;
}
interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

function operationsOf({ paths }: OpenApiDocument) {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** Pages for people, and what they load. */
const UNDOCUMENTED = /^\/(docs(\/.*)?|openapi\.json)?$/;

async function readDocument() {
  await using world = await openWorld();
  using api = openApi(world);
  const { body } = await ask<OpenApiDocument>(api, '/openapi.json');
  return { document: body, routes: api.app.routes };
}

test('every route is documented', async () => {
  const { document, routes } = await readDocument();
  const served = routes
    .filter(({ method, path }) => method !== 'ALL' && !UNDOCUMENTED.test(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  const documented = operationsOf(document).map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  expect(documented.sort()).toEqual([...new Set(served)].sort());
  expect(document.openapi).toBe('3.1.0');
});

test('every operation says what it is for, and names each parameter of its path', async () => {
  const { document } = await readDocument();
  for (const { path, operation } of operationsOf(document)) {
    expect(operation.summary, path).toBeTruthy();
    expect(operation.tags, path).toHaveLength(1);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(inPath.map(({ name }) => `{${name}}`).sort()).toEqual([...path.matchAll(/\{\w+\}/g)].map(String).sort());
    expect(inPath.every(({ required }) => required)).toBe(true);
  }
});

test('every reference of the document leads somewhere', async () => {
  const { document } = await readDocument();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(10);
  for (const [, name] of references) expect(document.components.schemas).toHaveProperty(name ?? '');
});

test('every answer has an example, and the schema accepts it', async () => {
  const { document } = await readDocument();
  for (const [path, { get }] of Object.entries(document.paths)) {
    for (const [type, media] of Object.entries(get?.responses['200']?.content ?? {})) {
      expect(media.example, `${path} ${type}`).toBeDefined();
      if (type === 'application/json' && !OF_OTHERS.test(path)) schemaOf(path).parse(media.example);
    }
  }
});

/** Their shapes are others'; their own tests compare them. */
const OF_OTHERS = /^\/compat\//;

/** The schema that a route's answer is made with. */
function schemaOf(path: string): Schema {
  const schemas: Record<string, Schema> = {
    '/v1/clusters': contracts.listSchema(contracts.clusterSchema),
    '/v1/clusters/{cluster}': contracts.clusterSchema,
    '/v1/services': contracts.listSchema(contracts.serviceSummarySchema),
    '/v1/clusters/{cluster}/namespaces/{namespace}/services/{name}': contracts.serviceDetailSchema,
    '/v1/clusters/{cluster}/namespaces/{namespace}/env': contracts.podEnvSchema,
    '/v1/clusters/{cluster}/namespaces/{namespace}/resolv-conf': contracts.podResolvConfSchema,
    '/v1/clusters/{cluster}/namespaces/{namespace}/resolve': contracts.podResolutionSchema,
    '/v1/nodes': contracts.listSchema(contracts.nodeSchema),
    '/v1/clusters/{cluster}/nodes': contracts.listSchema(contracts.nodeSchema),
    '/v1/clusters/{cluster}/nodes/{node}': contracts.nodeSchema,
    '/v1/clusters/{cluster}/nodes/{node}/rules': contracts.nodeRulesSchema,
    '/v1/drift': contracts.listSchema(contracts.nodeDriftSummarySchema),
    '/v1/clusters/{cluster}/nodes/{node}/drift': contracts.nodeDriftSchema,
    '/v1/zones': contracts.listSchema(contracts.zoneSummarySchema),
    '/v1/clusters/{cluster}/zones/{zone}': contracts.zoneDetailSchema,
    '/v1/zones/{zone}': contracts.zoneDetailSchema,
    '/v1/withdrawn-records': contracts.listSchema(contracts.withdrawnRecordSchema),
    '/v1/intents/{kind}': contracts.listSchema(contracts.intentSchema),
    '/v1/intents/{kind}/{name}': contracts.intentSchema,
    '/v1/load-balancers': contracts.loadBalancerListSchema,
    '/v1/load-balancers/{class}/lease': contracts.leaseStatusSchema.nullable(),
    '/v1/load-balancers/{class}/target-groups': contracts.targetGroupListSchema,
    '/v1/load-balancers/{class}/target-groups/{id}': contracts.targetGroupDetailSchema,
    '/v1/tokens': contracts.tokenListSchema,
    '/v1/registrations': contracts.listSchema(contracts.registrationItemSchema),
    '/v1/acks': contracts.listSchema(contracts.consumerStatusSchema),
    '/v1/convergence': contracts.convergenceSchema,
    '/v1/revisions': contracts.listSchema(contracts.revisionSchema),
    '/v1/revisions/{revision}': contracts.revisionDetailSchema,
    '/healthz': contracts.healthSchema,
    '/readyz': contracts.readinessSchema,
  };
  const schema = schemas[path];
  if (schema === undefined) throw new Error(`no schema is named for ${path}`);
  return schema;
}
