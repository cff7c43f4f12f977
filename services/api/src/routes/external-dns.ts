/**
 * The webhook provider API of ExternalDNS (its documentation, "Webhook provider"): an ExternalDNS that runs with
 * `--provider=webhook --webhook-provider-url=http://HOST:PORT/external-dns` publishes into the zones that intents made.
 *
 * Each of its endpoints is a `DnsRecords` intent that is marked as ExternalDNS's, so it is listed and deleted by nobody
 * else's mistake; and ExternalDNS never sees, or touches, what people asked for. A `setIdentifier` needs the property
 * `webhook/weight` (annotation `external-dns.alpha.kubernetes.io/webhook-weight`).
 */
import type { OpenAPIHono } from '@hono/zod-openapi';
import { type DnsRecordsObject, type IntentObject, intentObjectSchema, SignalboxError } from '@signalbox/contracts';
import { checkIntent } from '@signalbox/zones';
import type { Context } from 'hono';
import { z } from 'zod';
import type { ApiDependencies } from '../dependencies.ts';
import { allIntents, changeIntents, knownClusters } from '../intent-log.ts';

const MEDIA_TYPE = 'application/external.dns.webhook+json;version=1';
const OWNER = 'external-dns';
const WEIGHT_PROPERTY = 'webhook/weight';
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const endpointSchema = z.object({
  dnsName: z.string().default(''),
  targets: z.array(z.string()).nullish(),
  recordType: z.string().default(''),
  setIdentifier: z.string().optional(),
  recordTTL: z.int().min(0).optional(),
  labels: z.record(z.string(), z.string()).nullish(),
  providerSpecific: z.array(z.object({ name: z.string().optional(), value: z.string().optional() })).nullish(),
});
type Endpoint = z.infer<typeof endpointSchema>;

const endpointsSchema = z.array(endpointSchema).nullable();
const changesSchema = z.object({
  create: endpointsSchema.optional(),
  updateOld: endpointsSchema.optional(),
  updateNew: endpointsSchema.optional(),
  delete: endpointsSchema.optional(),
});

export function addExternalDnsRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  app.get('/external-dns', () => {
    const zones = allIntents(api).flatMap((intent) => (intent.kind === 'DnsZone' ? [intent.metadata.name] : []));
    // An empty filter would be taken for "all domains".
    if (zones.length === 0) throw new SignalboxError('unavailable', 'there is no DnsZone yet for ExternalDNS to fill');
    return webhookAnswer({ include: zones, filters: zones });
  });

  app.get('/external-dns/records', () => webhookAnswer(ownIntents(api).map(endpointOf)));

  app.post('/external-dns/adjustendpoints', async (c) => {
    const endpoints = (await readBody(c, endpointsSchema)) ?? [];
    return webhookAnswer(endpoints.flatMap((endpoint) => adjusted(api, endpoint)));
  });

  app.post('/external-dns/records', async (c) => {
    const changes = await readBody(c, changesSchema);
    const put = [...(changes.create ?? []), ...(changes.updateNew ?? [])].map(intentOrThrow);
    const gone = [...(changes.delete ?? []), ...(changes.updateOld ?? [])].map(intentName);
    const remove = ownIntents(api).filter(({ metadata }) => gone.includes(metadata.name));
    await changeIntents(api, { put, remove });
    return new Response(null, { status: 204 });
  });
}

function webhookAnswer(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { 'content-type': MEDIA_TYPE, vary: 'Content-Type' } });
}

function ownIntents(api: ApiDependencies): DnsRecordsObject[] {
  return allIntents(api).flatMap((intent) =>
    intent.kind === 'DnsRecords' && intent.metadata.owner === OWNER ? [intent] : [],
  );
}

/** A page of another site can send text and forms here, but no JSON. */
async function readBody<Body>(c: Context, schema: z.ZodType<Body>): Promise<Body> {
  if (!(c.req.header('content-type') ?? '').includes('json')) {
    throw new SignalboxError('invalid', `the body has to be of the type ${MEDIA_TYPE}`);
  }
  const text = await c.req.text();
  if (text.length > MAX_BODY_BYTES) throw new SignalboxError('invalid', `more than ${MAX_BODY_BYTES} bytes`);
  const parsed = schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new SignalboxError('invalid', where.join('; '));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SignalboxError('invalid', 'the body is not JSON');
  }
}

/**
 * What ExternalDNS may plan with: as it will read it back, and without what could not be stored, because one bad record
 * would stop all the others.
 */
function adjusted(api: ApiDependencies, endpoint: Endpoint): Endpoint[] {
  const intent = intentFrom(endpoint);
  const others = allIntents(api).filter(({ metadata }) => metadata.owner !== OWNER);
  const problems = intent === undefined ? [] : checkIntent(intent, { intents: others, clusters: knownClusters(api) });
  if (intent !== undefined && problems.length === 0) {
    return [{ ...endpointOf(intent), ...(endpoint.labels && { labels: endpoint.labels }) }];
  }
  const reason = problems.map(({ reason: text }) => text).join('; ') || 'not a type of record that is served';
  api.logger.warn({ name: endpoint.dnsName, type: endpoint.recordType, reason }, 'record of ExternalDNS left out');
  return [];
}

function intentOrThrow(endpoint: Endpoint): IntentObject {
  const intent = intentFrom(endpoint);
  if (intent !== undefined) return intent;
  throw new SignalboxError('invalid', `${endpoint.dnsName} ${endpoint.recordType}: not a record that can be served`);
}

/** Undefined for what is no intent at all, such as a type that is not served. */
function intentFrom(endpoint: Endpoint): DnsRecordsObject | undefined {
  const weight = endpoint.providerSpecific?.find((property) => property.name === WEIGHT_PROPERTY)?.value;
  const parsed = intentObjectSchema.safeParse({
    kind: 'DnsRecords',
    metadata: { name: intentName(endpoint), owner: OWNER },
    spec: {
      name: endpoint.dnsName.toLowerCase().replace(/\.$/, ''),
      type: endpoint.recordType,
      values: (endpoint.targets ?? []).map((target) => valueText(endpoint.recordType, target)),
      ...(endpoint.recordTTL ? { ttlSeconds: endpoint.recordTTL } : {}),
      ...(weight === undefined ? {} : { weight: Number(weight) }),
    },
  });
  return parsed.success && parsed.data.kind === 'DnsRecords' ? parsed.data : undefined;
}

/** One intent per name, type and set; equal endpoints have equal names. */
function intentName({ dnsName, recordType, setIdentifier }: Endpoint): string {
  const parts = ['external-dns', dnsName.replace(/\.$/, ''), recordType, ...(setIdentifier ? [setIdentifier] : [])];
  return parts
    .join('.')
    .toLowerCase()
    .replaceAll(/[^a-z0-9*_.-]/g, (char) => `_${char.codePointAt(0)?.toString(16) ?? ''}_`);
}

/** ExternalDNS writes TXT as a zone file does, in quotes. */
function valueText(type: string, target: string): string {
  if (type !== 'TXT' || !/^".*"$/s.test(target)) return target;
  return target.slice(1, -1).replaceAll(/\\(["\\])/g, '$1');
}

function targetOf(type: string, value: string): string {
  return type === 'TXT' ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value;
}

function endpointOf({ metadata, spec }: DnsRecordsObject): Endpoint {
  const prefix = `external-dns.${spec.name}.${spec.type}`.length;
  const setIdentifier = metadata.name.slice(prefix + 1);
  return {
    dnsName: spec.name,
    targets: spec.values.map((value) => targetOf(spec.type, value)),
    recordType: spec.type,
    ...(setIdentifier === '' ? {} : { setIdentifier }),
    ...(spec.ttlSeconds === undefined ? {} : { recordTTL: spec.ttlSeconds }),
    ...(spec.weight === undefined ? {} : { providerSpecific: [{ name: WEIGHT_PROPERTY, value: String(spec.weight) }] }),
  };
}
