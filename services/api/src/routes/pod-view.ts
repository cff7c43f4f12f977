import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { podEnvSchema, podResolutionSchema, podResolvConfSchema, type ServiceObject } from '@signalbox/contracts';
import { listObjects, objectAt, type Place, type Store } from '@signalbox/store';
import {
  compileResolvConf,
  compileServiceEnv,
  DNS_POLICIES,
  parseResolvConf,
  resolvConfText,
  resolveName,
  TYPE_NUMBERS,
} from '@signalbox/zones';
import { answers, answersWithText } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { podEnvExample, podResolutionExample, podResolvConfExample } from '../examples.ts';
import { formatParameter, isJsonWanted } from '../negotiate.ts';
import { clusterParameter, namespaceParameter, revisionQuery } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { readState, requireSynced, type State } from '../state.ts';
import { zonesAt } from '../zone-index.ts';

const CHUNK = 1_000;
const BASE_PATH = '/v1/clusters/{cluster}/namespaces/{namespace}';
const place = z.object({ cluster: clusterParameter, namespace: namespaceParameter });

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const list = (description: string, example: string) =>
  z
    .string()
    .max(3_000)
    .optional()
    .transform((text) => text?.split(',').map((part) => part.trim()))
    .openapi({ type: 'string', param: { description }, example });

const podDnsQuery = revisionQuery.extend({
  policy: z
    .enum(DNS_POLICIES)
    .default('ClusterFirst')
    .openapi({ param: { description: "The pod's dnsPolicy." } }),
  hostNetwork: flag.default(false).openapi({ type: 'boolean' }),
  nameservers: list("Of the pod's dnsConfig, with commas.", '1.1.1.1'),
  searches: list("Of the pod's dnsConfig, with commas.", 'db.example.com'),
  options: list("Of the pod's dnsConfig, with commas.", 'ndots:2,edns0'),
  clusterDNS: list("The kubelet's cluster DNS servers. Default: kube-system/kube-dns.", '10.96.0.10'),
  nodeResolvConf: z
    .string()
    .max(3_000)
    .optional()
    .openapi({ param: { description: "Text of the node's resolv.conf." }, example: 'nameserver 192.0.2.53' }),
});
type PodDnsQuery = z.output<typeof podDnsQuery>;

const envRoute = createRoute({
  method: 'get',
  path: `${BASE_PATH}/env`,
  tags: ['Pods'],
  summary: 'The environment variables by which the kubelet tells pods of Services',
  request: {
    params: place,
    query: revisionQuery.extend({
      enableServiceLinks: flag.default(true).openapi({ type: 'boolean', param: { description: "Of the pod's spec." } }),
      format: formatParameter,
    }),
  },
  responses: answersWithText({
    schema: podEnvSchema,
    description: 'Lines of NAME=VALUE; JSON when asked for',
    example: podEnvExample,
    textType: 'text/plain',
    textExample: 'WEB_SERVICE_HOST=10.96.0.20\n',
  }),
});

const resolvConfRoute = createRoute({
  method: 'get',
  path: `${BASE_PATH}/resolv-conf`,
  tags: ['Pods'],
  summary: 'The resolv.conf of a pod',
  request: { params: place, query: podDnsQuery.extend({ format: formatParameter }) },
  responses: answersWithText({
    schema: podResolvConfSchema,
    description: 'The file; JSON, which also says what limits cut, when asked for',
    example: podResolvConfExample,
    textType: 'text/plain',
    textExample: podResolvConfExample.text,
  }),
});

const resolveRoute = createRoute({
  method: 'get',
  path: `${BASE_PATH}/resolve`,
  tags: ['Pods'],
  summary: 'A name as a pod resolves it: each step of the search list, and the objects behind each record',
  request: {
    params: place,
    query: podDnsQuery.extend({
      name: z.string().min(1).max(254).openapi({ example: 'web' }),
      type: z
        .string()
        .toUpperCase()
        .pipe(z.enum(['ANY', ...Object.keys(TYPE_NUMBERS)]))
        .default('A')
        .openapi({ type: 'string', example: 'A' }),
    }),
  },
  responses: answers(podResolutionSchema, 'The steps', podResolutionExample),
});

export function addPodViewRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(envRoute, (c) => {
    const { cluster, namespace } = c.req.valid('param');
    const { revision, enableServiceLinks, format } = c.req.valid('query');
    const state = readState(store, revision);
    requireSynced(store, state, { cluster });
    const services = [...servicesIn(store, state, cluster, namespace), ...servicesIn(store, state, cluster, 'default')];
    const { variables, skipped } = compileServiceEnv(services, { namespace, enableServiceLinks });
    answeredAt(c, state.revision);
    if (!isJsonWanted(c.req.header('accept'), format)) {
      return c.text(variables.map(({ name, value }) => `${name}=${value}\n`).join(''), 200);
    }
    const answer = { cluster, namespace, revision: state.revision, variables: [...variables], skipped: [...skipped] };
    return c.json(answer, 200);
  });

  app.openapi(resolvConfRoute, (c) => {
    const { cluster, namespace } = c.req.valid('param');
    const { format, ...query } = c.req.valid('query');
    const state = readState(store, query.revision);
    const { resolvConf, skipped } = podResolvConf(store, state, { cluster, namespace, ...query });
    const text = resolvConfText(resolvConf);
    answeredAt(c, state.revision);
    if (!isJsonWanted(c.req.header('accept'), format)) return c.text(text, 200);
    const { nameservers, searches, options } = resolvConf;
    const lists = { nameservers: [...nameservers], searches: [...searches], options: [...options] };
    return c.json({ cluster, namespace, revision: state.revision, ...lists, text, skipped: [...skipped] }, 200);
  });

  app.openapi(resolveRoute, (c) => {
    const { cluster, namespace } = c.req.valid('param');
    const { name, type, ...query } = c.req.valid('query');
    const state = readState(store, query.revision);
    const { resolvConf } = podResolvConf(store, state, { cluster, namespace, ...query });
    answeredAt(c, state.revision);
    const { index, revisions } = zonesAt(api, state);
    const resolution = resolveName(index, { name, type }, resolvConf, (owner) => revisions.get(owner));
    return c.json({ cluster, namespace, revision: state.revision, ...resolution }, 200);
  });
}

function podResolvConf(
  store: Store,
  state: State,
  { cluster, namespace, ...query }: PodDnsQuery & { cluster: string; namespace: string },
) {
  requireSynced(store, state, { cluster, layer: 'dns' });
  const { nameservers, searches, options } = query;
  const hasDnsConfig = [nameservers, searches, options].some((part) => part !== undefined);
  const dnsConfig = { nameservers: nameservers ?? [], searches: searches ?? [], options: options ?? [] };
  const node = query.nodeResolvConf;
  return compileResolvConf(
    { namespace, dnsPolicy: query.policy, hostNetwork: query.hostNetwork, ...(hasDnsConfig && { dnsConfig }) },
    {
      clusterDomain: state.domain(cluster) ?? '',
      clusterDNS: query.clusterDNS ?? clusterDnsOf(store, state, cluster),
      resolvConf: node === undefined ? undefined : parseResolvConf(node),
    },
  );
}

/** The Service that kubeadm, and nearly everybody else, gives the cluster's DNS servers. */
function clusterDnsOf(store: Store, { revision }: State, cluster: string): readonly string[] {
  const key = { kind: 'Service', cluster, namespace: 'kube-system', name: 'kube-dns' } as const;
  return objectAt(store, key, revision)?.object.spec.clusterIPs ?? [];
}

function servicesIn(store: Store, { revision }: State, cluster: string, namespace: string): ServiceObject[] {
  const services: ServiceObject[] = [];
  for (let after: Place | undefined; ; ) {
    const rows = listObjects(store, { kind: 'Service', cluster, namespace, after, revision, limit: CHUNK });
    services.push(...rows.map(({ object }) => object));
    if (rows.length < CHUNK) return services;
    after = rows.at(-1)?.key;
  }
}
