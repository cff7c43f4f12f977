/** Prometheus's HTTP service discovery: the whole list each time, and never an empty one out of ignorance. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { requireDecided } from '../target-group-state.ts';
import { compatQuery, filterOf, hostAndPort, type UsedTarget, usedTargets } from './compat-targets.ts';

const schema = z.array(z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) }));

const route = createRoute({
  method: 'get',
  path: '/compat/prometheus/http-sd',
  tags: ['Compatibility'],
  summary: 'Targets for `http_sd_configs` of Prometheus: those that load balancers use',
  request: {
    query: compatQuery.extend({
      portName: z
        .string()
        .max(63)
        .optional()
        .openapi({ param: { description: 'Only of ports of this name.' } }),
    }),
  },
  responses: answers(schema, 'Each target with its labels', [
    {
      targets: ['192.0.2.11:30080'],
      labels: { __meta_signalbox_cluster: 'shop-eu', __meta_signalbox_service: 'web' },
    },
  ]),
});

export function addPrometheusSdRoute(app: OpenAPIHono, api: ApiDependencies): void {
  app.openapi(route, (c) => {
    const { portName, ...query } = c.req.valid('query');
    // Prometheus keeps its list when it gets an error.
    requireDecided(api);
    const used = usedTargets(api.store, filterOf(query));
    const wanted = used.filter(({ group }) => portName === undefined || group.portName === portName);
    return c.json(wanted.map(discovered), 200);
  });
}

function discovered({ group, target, health }: UsedTarget) {
  const labels = {
    cluster: group.cluster,
    namespace: group.namespace,
    service: group.service,
    load_balancer_class: group.loadBalancerClass,
    port: String(group.port),
    port_name: group.portName,
    protocol: group.protocol,
    app_protocol: group.appProtocol ?? '',
    target_type: target.type,
    target_state: target.state,
    target_health: health,
    node: target.node ?? '',
    zone: target.zone ?? '',
    pod: target.pod ?? '',
  };
  const named = Object.entries(labels).map(([name, value]) => [`__meta_signalbox_${name}`, value]);
  return { targets: [hostAndPort(target)], labels: Object.fromEntries(named) as Record<string, string> };
}
