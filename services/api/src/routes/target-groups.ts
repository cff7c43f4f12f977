import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type TargetGroupList, targetGroupDetailSchema, targetGroupListSchema } from '@signalbox/contracts';
import { listTargetGroupSets, targetsIndex } from '@signalbox/store';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { targetGroupDetailExample, targetGroupExample } from '../examples.ts';
import {
  classParameter,
  clusterParameter,
  groupIdParameter,
  indexParameter,
  nameParameter,
  namespaceParameter,
  readClass,
  waitOf,
  waitParameter,
} from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { hasTag, requireDecided, targetsTag } from '../target-group-state.ts';
import { describeGroup, findGroup, itemsOfSet, parseGroupId } from '../target-group-views.ts';
import type { TargetGroupWatch } from '../target-group-watch.ts';

const tags = ['Load balancers'];

const listRoute = createRoute({
  method: 'get',
  path: '/v1/load-balancers/{class}/target-groups',
  tags,
  summary: 'All target groups of a class, as one state; with `index`, once something changed after it',
  description: [
    'A blocking query: give the `index` of the last answer, and this one comes when any group of the class has changed since,',
    'or after `wait` and up to a sixteenth of it more. An answer is no promise that something changed. An index lower than',
    'the one that was given means that the log is another one: program everything anew. 503 while nothing has been',
    'decided: keep what is programmed. The headers `X-Signalbox-Index` and `X-Signalbox-Revision` tell the index, and',
    'the revision up to which all registrations have been decided on.',
  ].join(' '),
  request: {
    params: z.object({ class: classParameter }),
    query: z.strictObject({
      index: indexParameter.optional(),
      wait: waitParameter.optional(),
      cluster: clusterParameter.optional(),
      namespace: namespaceParameter.optional(),
      service: nameParameter.optional(),
    }),
    headers: z.object({ 'if-none-match': z.string().max(1_000).optional() }),
  },
  responses: {
    ...answers(targetGroupListSchema, 'The groups, by cluster, namespace, service and port', {
      index: 118,
      items: [targetGroupExample],
    }),
    304: { description: 'It is as `If-None-Match` has it' },
  },
});

const oneRoute = createRoute({
  method: 'get',
  path: '/v1/load-balancers/{class}/target-groups/{id}',
  tags,
  summary: 'One target group: why each target is in or out, and what the load balancer says of it',
  request: { params: z.object({ class: classParameter, id: groupIdParameter }) },
  responses: answers(targetGroupDetailSchema, 'The target group', targetGroupDetailExample),
});

export function addTargetGroupRoutes(app: OpenAPIHono, api: ApiDependencies, watch: TargetGroupWatch): void {
  const { store } = api;
  app.openapi(listRoute, async (c) => {
    const { index: after, wait, cluster, namespace, service: name } = c.req.valid('query');
    const loadBalancerClass = readClass(c.req.valid('param'));
    requireDecided(api);
    if (after !== undefined) {
      await watch.wait({ loadBalancerClass, after, waitMs: waitOf(wait), signal: c.req.raw.signal });
    }
    const revision = requireDecided(api);
    const index = targetsIndex(store, loadBalancerClass);
    const tag = targetsTag(api, loadBalancerClass);
    c.header('etag', tag);
    c.header('cache-control', 'no-cache');
    c.header('x-signalbox-index', String(index));
    answeredAt(c, revision);
    if (hasTag(c.req.valid('header')['if-none-match'], tag)) return c.body(null, 304);
    const sets = listTargetGroupSets(store, { loadBalancerClass, cluster, namespace, name });
    const list: TargetGroupList = { index, items: sets.flatMap(itemsOfSet) };
    return c.json(list, 200);
  });

  app.openapi(oneRoute, (c) => {
    const { id } = c.req.valid('param');
    const key = parseGroupId(readClass(c.req.valid('param')), id);
    answeredAt(c, requireDecided(api));
    return c.json(describeGroup(store, key, findGroup(store, key, id)), 200);
  });
}
