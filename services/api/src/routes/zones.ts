import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { INTENT_CLUSTER, listSchema, SignalboxError, zoneDetailSchema, zoneSummarySchema } from '@signalbox/contracts';
import { assembleZones, type Zone, zoneFileText } from '@signalbox/zones';
import { answers, answersWithText } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { documentsOfCluster } from '../documents-of-cluster.ts';
import { zoneDetailExample, zoneSummaryExample, zoneTextExample } from '../examples.ts';
import { answerList } from '../list.ts';
import { formatParameter, isTextWanted } from '../negotiate.ts';
import { clusterParameter, listQuery, nameParameter, revisionQuery } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { readState, requireSynced, type State } from '../state.ts';
import { DEFAULT_TTL_SECONDS, zonesAt } from '../zone-index.ts';

const listRoute = createRoute({
  method: 'get',
  path: '/v1/zones',
  tags: ['Zones'],
  summary: 'DNS zones of all clusters that are synced, and (without a cluster) those made by intents',
  request: { query: listQuery.extend({ cluster: clusterParameter.optional() }) },
  responses: answers(listSchema(zoneSummarySchema), 'One page of zones', {
    items: [zoneSummaryExample],
    revision: 42,
    next: null,
  }),
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/clusters/{cluster}/zones/{zone}',
  tags: ['Zones'],
  summary: 'One zone with all its records, or as a zone file',
  request: {
    params: z.object({
      cluster: clusterParameter,
      zone: nameParameter.openapi({
        param: { description: 'With or without the trailing dot.' },
        example: 'cluster.local.',
      }),
    }),
    query: revisionQuery.extend({ format: formatParameter }),
  },
  responses: answersWithText({
    schema: zoneDetailSchema,
    description: 'JSON; a zone file (RFC 1035) when text is asked for',
    example: zoneDetailExample,
    textType: 'text/dns',
    textExample: zoneTextExample,
  }),
});

const extraRoute = createRoute({
  method: 'get',
  path: '/v1/zones/{zone}',
  tags: ['Zones'],
  summary: 'A zone made by an intent, with all its records, or as a zone file',
  request: {
    params: z.object({ zone: nameParameter.openapi({ example: 'example.com.' }) }),
    query: revisionQuery.extend({ format: formatParameter }),
  },
  responses: answersWithText({
    schema: zoneDetailSchema,
    description: 'JSON; a zone file (RFC 1035) when text is asked for',
    example: { ...zoneDetailExample, cluster: '', name: 'example.com.', records: [] },
    textType: 'text/dns',
    textExample: zoneTextExample,
  }),
});

export function addZoneRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(listRoute, (c) => {
    const query = c.req.valid('query');
    const { cluster } = query;
    return c.json(
      answerList({ c, store, query }, [cluster], (state) => ({
        rowsAfter: (place, limit) =>
          [INTENT_CLUSTER, ...state.clusters]
            .filter((name) => cluster === undefined || name === cluster)
            .filter((name) => place === undefined || name > (place[0] ?? ''))
            .slice(0, limit),
        placeOf: (name) => [name],
        itemsOf: (name) =>
          zonesOf(api, state, name).map((zone) => ({
            cluster: name,
            name: zone.name,
            serial: zone.serial,
            records: zone.records.length,
          })),
      })),
      200,
    );
  });

  app.openapi(extraRoute, (c) => {
    const { revision, format } = c.req.valid('query');
    const name = absoluteName(c.req.valid('param').zone);
    const state = readState(store, revision);
    const zone = extraZones(api, state).find((candidate) => candidate.name === name);
    if (zone === undefined) throw new SignalboxError('not_found', `no intent makes a zone ${name}`);
    answeredAt(c, state.revision);
    if (isTextWanted(c.req.header('accept'), format)) {
      return c.body(zoneFileText(zone), 200, { 'content-type': 'text/dns; charset=utf-8' });
    }
    const { serial, records } = zone;
    return c.json({ cluster: INTENT_CLUSTER, name, serial, revision: state.revision, records }, 200);
  });

  app.openapi(oneRoute, (c) => {
    const { cluster, zone: asked } = c.req.valid('param');
    const { revision, format } = c.req.valid('query');
    const state = readState(store, revision);
    requireSynced(store, state, { cluster, layer: 'dns' });
    const name = absoluteName(asked);
    const zones = zonesOf(api, state, cluster);
    const zone = zones.find((candidate) => candidate.name === name);
    if (zone === undefined) {
      const names = zones.map((candidate) => candidate.name).join(', ');
      throw new SignalboxError('not_found', `there is no zone ${name} in the cluster ${cluster}, only ${names}`);
    }
    answeredAt(c, state.revision);
    if (isTextWanted(c.req.header('accept'), format)) {
      return c.body(zoneFileText(zone), 200, { 'content-type': 'text/dns; charset=utf-8' });
    }
    return c.json({ cluster, name, serial: zone.serial, revision: state.revision, records: zone.records }, 200);
  });
}

function absoluteName(text: string): string {
  return `${text.toLowerCase().replace(/\.$/, '')}.`;
}

function extraZones(api: ApiDependencies, state: State): Zone[] {
  const { index } = zonesAt(api, state);
  return index.zones().flatMap(({ name, isExtra }) => (isExtra === true ? (index.zone(name) ?? []) : []));
}

/** None for a cluster that the DNS layer does not derive. */
function zonesOf(api: ApiDependencies, state: State, cluster: string): Zone[] {
  if (cluster === INTENT_CLUSTER) return extraZones(api, state);
  const { store, ttlSeconds } = api;
  const domain = state.domain(cluster);
  if (domain === undefined) return [];
  const { revision } = state;
  const recordSets = documentsOfCluster(store, { layer: 'dns', cluster, revision });
  return assembleZones({ domain, revision, ttlSeconds: ttlSeconds ?? DEFAULT_TTL_SECONDS, recordSets });
}
