/**
 * What clients of Consul read: instances of a service with their health, blocking queries, and the names of services. A
 * service is `NAME`, `NAME.NAMESPACE` or `NAME.NAMESPACE.CLUSTER`. Parameters that are not known are ignored, as Consul
 * does, because its clients send many.
 *
 * Its index is ours and one more: to Consul's clients 0 means "do not wait".
 */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { listTargetGroupSets, type TargetGroupFilter, targetsIndex } from '@signalbox/store';
import type { Context } from 'hono';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { indexParameter, waitOf, waitParameter } from '../parameters.ts';
import { requireDecided } from '../target-group-state.ts';
import type { TargetGroupWatch } from '../target-group-watch.ts';
import { hostAndPort, type UsedTarget, usedTargets } from './compat-targets.ts';
import { consulExample } from './consul-example.ts';

const DATACENTER = 'signalbox';
const tags = ['Compatibility'];
const indexed = { CreateIndex: z.int(), ModifyIndex: z.int() };
const strings = z.record(z.string(), z.string());

const checkSchema = z.object({
  Node: z.string(),
  CheckID: z.string(),
  Name: z.string(),
  Status: z.enum(['passing', 'warning', 'critical']),
  Notes: z.string(),
  Output: z.string(),
  ServiceID: z.string(),
  ServiceName: z.string(),
  ServiceTags: z.array(z.string()),
  Type: z.string(),
  ...indexed,
});
const instanceSchema = z.object({
  Node: z.object({
    ID: z.string(),
    Node: z.string(),
    Address: z.string(),
    Datacenter: z.string(),
    TaggedAddresses: strings,
    Meta: strings,
    ...indexed,
  }),
  Service: z.object({
    ID: z.string(),
    Service: z.string(),
    Tags: z.array(z.string()),
    Address: z.string(),
    TaggedAddresses: z.record(z.string(), z.object({ Address: z.string(), Port: z.int() })),
    Meta: strings,
    Port: z.int(),
    Weights: z.object({ Passing: z.int(), Warning: z.int() }),
    EnableTagOverride: z.boolean(),
    Namespace: z.string(),
    ...indexed,
  }),
  Checks: z.array(checkSchema),
});
type Instance = z.infer<typeof instanceSchema>;

const blocking = z.object({ index: indexParameter.optional(), wait: waitParameter.optional() });
const flag = z.string().max(10).optional();

const healthRoute = createRoute({
  method: 'get',
  path: '/compat/consul/v1/health/service/{name}',
  tags,
  summary: "A service's targets, as Consul tells of instances; with `passing` only those that get traffic",
  request: {
    params: z.object({ name: z.string().min(1).max(300).openapi({ example: 'web.shop' }) }),
    query: blocking.extend({
      passing: flag,
      tag: z.string().max(253).optional(),
      ns: z.string().max(63).optional(),
    }),
  },
  responses: answers(z.array(instanceSchema), 'The instances', [consulExample]),
});

const servicesRoute = createRoute({
  method: 'get',
  path: '/compat/consul/v1/catalog/services',
  tags,
  summary: 'Names of services with their tags, as Consul lists them',
  request: { query: blocking },
  responses: answers(z.record(z.string(), z.array(z.string())), 'The services', { 'web.shop': ['http', 'tcp'] }),
});

const selfRoute = createRoute({
  method: 'get',
  path: '/compat/consul/v1/agent/self',
  tags,
  summary: "What Consul's clients ask first: the name of the data centre",
  responses: answers(z.object({ Config: z.object({ Datacenter: z.string(), NodeName: z.string() }) }), 'Ourselves', {
    Config: { Datacenter: DATACENTER, NodeName: 'signalbox' },
  }),
});

export function addConsulRoutes(app: OpenAPIHono, api: ApiDependencies, watch: TargetGroupWatch): void {
  const block = async (c: Context, { index, wait }: z.infer<typeof blocking>): Promise<void> => {
    requireDecided(api);
    if (index !== undefined && index > 0) {
      const options = { loadBalancerClass: undefined, after: index - 1, waitMs: waitOf(wait) };
      await watch.wait({ ...options, signal: c.req.raw.signal });
    }
    c.header('x-consul-index', String(targetsIndex(api.store) + 1));
    c.header('x-consul-knownleader', 'true');
    c.header('x-consul-lastcontact', '0');
  };

  app.openapi(healthRoute, async (c) => {
    const { passing, tag, ns, ...query } = c.req.valid('query');
    await block(c, query);
    const { name } = c.req.valid('param');
    const instances = usedTargets(api.store, placeOf(name, ns)).map((used) => instanceOf(name, used));
    const isWanted = ({ Service, Checks }: Instance): boolean =>
      (passing === undefined || passing === 'false' || Checks.every(({ Status }) => Status === 'passing')) &&
      (tag === undefined || Service.Tags.includes(tag));
    return c.json(instances.filter(isWanted), 200);
  });

  app.openapi(servicesRoute, async (c) => {
    await block(c, c.req.valid('query'));
    const tagsOf = new Map<string, Set<string>>();
    for (const { set } of listTargetGroupSets(api.store, {})) {
      const name = `${set.name}.${set.namespace}`;
      const known = tagsOf.get(name) ?? new Set();
      for (const group of set.groups) for (const tag of tagsOfGroup({ ...group, cluster: set.cluster })) known.add(tag);
      tagsOf.set(name, known);
    }
    return c.json(Object.fromEntries([...tagsOf].map(([name, all]) => [name, [...all].sort()])), 200);
  });

  app.openapi(selfRoute, (c) => c.json({ Config: { Datacenter: DATACENTER, NodeName: 'signalbox' } }, 200));
}

/** Neither a Service's name nor a namespace holds dots; a cluster's may. */
function placeOf(text: string, ns: string | undefined): TargetGroupFilter {
  const [name, namespace, ...cluster] = text.split('.');
  return { name, namespace: namespace ?? ns, cluster: cluster.length === 0 ? undefined : cluster.join('.') };
}

function tagsOfGroup(group: { portName: string; protocol: string; cluster: string }): string[] {
  return [group.portName, group.protocol.toLowerCase(), group.cluster].filter((tag) => tag !== '');
}

function instanceOf(service: string, { group, target, health }: UsedTarget): Instance {
  const { index } = group;
  const indexes = { CreateIndex: index + 1, ModifyIndex: index + 1 };
  const node = target.node ?? target.address;
  const id = `${group.id}@${hostAndPort(target)}`;
  const tags = tagsOfGroup(group);
  return {
    Node: {
      ID: `${group.cluster}/${node}`,
      Node: node,
      Address: target.address,
      Datacenter: DATACENTER,
      TaggedAddresses: {},
      Meta: {},
      ...indexes,
    },
    Service: {
      ID: id,
      Service: service,
      Tags: tags,
      Address: target.address,
      TaggedAddresses: {},
      Meta: {
        cluster: group.cluster,
        namespace: group.namespace,
        class: group.loadBalancerClass,
        listen: `${group.port}/${group.protocol}`,
        ...(target.zone === undefined ? {} : { zone: target.zone }),
        ...(target.pod === undefined ? {} : { pod: target.pod }),
      },
      Port: target.port,
      Weights: { Passing: target.weight, Warning: 1 },
      EnableTagOverride: false,
      Namespace: group.namespace,
      ...indexes,
    },
    Checks: [
      {
        Node: node,
        CheckID: `signalbox:${id}`,
        Name: 'Signalbox',
        Status: statusOf(target.state, health),
        Notes: '',
        Output: `${target.state}: ${target.reason}; the load balancer says ${health}`,
        ServiceID: id,
        ServiceName: service,
        ServiceTags: tags,
        Type: '',
        ...indexes,
      },
    ],
  };
}

function statusOf(
  state: UsedTarget['target']['state'],
  health: UsedTarget['health'],
): 'passing' | 'warning' | 'critical' {
  if (health === 'unhealthy') return 'critical';
  return state === 'draining' ? 'warning' : 'passing';
}
