/**
 * The document of Traefik's HTTP provider: a service for each target group, which routers of other providers name as
 * `CLUSTER-NAMESPACE-SERVICE-PORT@http`. A section without elements is an error to Traefik, so it is left out.
 */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listTargetGroupSets } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { requireDecided } from '../target-group-state.ts';
import { itemsOfSet } from '../target-group-views.ts';
import { compatQuery, filterOf, hostAndPort, type UsedTarget, usedTargets } from './compat-targets.ts';

const HTTP = /^(kubernetes\.io\/h2c|http|https|h2c)$/;
const serversOf = <Server extends z.ZodType>(server: Server) =>
  z.object({
    services: z.record(z.string(), z.object({ loadBalancer: z.object({ servers: z.array(server) }) })),
  });
const schema = z.object({
  http: serversOf(z.object({ url: z.string(), weight: z.int().optional() })).optional(),
  tcp: serversOf(z.object({ address: z.string() })).optional(),
  udp: serversOf(z.object({ address: z.string() })).optional(),
});
type Document = z.infer<typeof schema>;

const route = createRoute({
  method: 'get',
  path: '/compat/traefik/dynamic',
  tags: ['Compatibility'],
  summary: "The document for Traefik's HTTP provider: a service for each target group",
  description:
    'Groups of HTTP (by `appProtocol`, or a port name that begins with `http`) are in `http`, all of TCP in `tcp`, of UDP in `udp`.',
  request: { query: compatQuery },
  responses: answers(schema, 'Dynamic configuration', {
    http: { services: { 'shop-eu-shop-web-80': { loadBalancer: { servers: [{ url: 'http://192.0.2.11:30080' }] } } } },
  }),
});

export function addTraefikRoute(app: OpenAPIHono, api: ApiDependencies): void {
  app.openapi(route, (c) => {
    const filter = filterOf(c.req.valid('query'));
    requireDecided(api);
    const active = usedTargets(api.store, filter).filter(({ target }) => target.state === 'active');
    const groups = listTargetGroupSets(api.store, filter).flatMap(itemsOfSet);
    const document: Document = {
      ...section(
        'http',
        groups.filter(isHttp),
        active.map((used) => ({ ...used, server: { url: `${scheme(used)}://${hostAndPort(used.target)}` } })),
      ),
      ...section(
        'tcp',
        groups.filter(({ protocol }) => protocol === 'TCP'),
        active.map(withAddress),
      ),
      ...section(
        'udp',
        groups.filter(({ protocol }) => protocol === 'UDP'),
        active.map(withAddress),
      ),
    };
    return c.json(document, 200);
  });
}

type Group = UsedTarget['group'];

function section<Server>(
  name: keyof Document,
  groups: readonly Group[],
  targets: readonly { group: Group; server: Server }[],
) {
  if (groups.length === 0) return {};
  const services = groups.map(({ id, ...group }) => {
    const servers = targets.filter((target) => target.group.id === id).map(({ server }) => server);
    return [nameOf(group), { loadBalancer: { servers } }] as const;
  });
  return { [name]: { services: Object.fromEntries(services) } };
}

function withAddress(used: UsedTarget) {
  return { ...used, server: { address: hostAndPort(used.target) } };
}

function isHttp({ protocol, appProtocol, portName }: Group): boolean {
  return protocol === 'TCP' && (appProtocol === undefined ? portName.startsWith('http') : HTTP.test(appProtocol));
}

function scheme({ group: { appProtocol, portName } }: UsedTarget): string {
  if (appProtocol !== undefined)
    return appProtocol === 'https' ? 'https' : appProtocol.endsWith('h2c') ? 'h2c' : 'http';
  return portName.startsWith('https') ? 'https' : 'http';
}

/** `@` and `/` mean something to Traefik. */
function nameOf({ cluster, namespace, service, port, protocol }: Omit<Group, 'id'>): string {
  const suffix = protocol === 'TCP' ? '' : `-${protocol.toLowerCase()}`;
  return `${cluster.replaceAll(/[^\w.-]/g, '_')}-${namespace}-${service}-${port}${suffix}`;
}
