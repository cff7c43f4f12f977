import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { leaseRequestSchema, leaseStatusSchema, loadBalancerListSchema } from '@signalbox/contracts';
import { controllerLease, loadBalancerClasses } from '@signalbox/store';
import { answers } from '../answers.ts';
import { type ApiDependencies, nowMs } from '../dependencies.ts';
import { leaseExample, loadBalancerExample } from '../examples.ts';
import { loadBalancerPolicies } from '../intent-log.ts';
import { changeLease } from '../lease-log.ts';
import { classParameter, readClass } from '../parameters.ts';
import { answeredAt } from '../revision-gate.ts';
import { requireDecided } from '../target-group-state.ts';
import { leaseStatus, summarizeClass } from '../target-group-views.ts';

const tags = ['Load balancers'];

const listRoute = createRoute({
  method: 'get',
  path: '/v1/load-balancers',
  tags,
  summary: 'Each load-balancer class: its target groups, who programs it, and whether that works',
  request: { query: z.strictObject({}) },
  responses: answers(loadBalancerListSchema, 'All classes', {
    items: [loadBalancerExample],
  }),
});

const leaseRoute = createRoute({
  method: 'get',
  path: '/v1/load-balancers/{class}/lease',
  tags,
  summary: 'Who may program the load balancer of a class',
  request: { params: z.object({ class: classParameter }) },
  responses: answers(leaseStatusSchema.nullable(), 'The lease; null when nobody has ever taken it', leaseExample),
});

const changeRoute = createRoute({
  method: 'post',
  path: '/v1/load-balancers/{class}/lease',
  tags,
  summary: 'Acquire, renew or release the lease of a class; 409 names who has it',
  description:
    'Acquire before anything is programmed, renew at a third of `durationMs`, and stop programming when a renewal is refused. `epoch` goes with every report.',
  request: {
    params: z.object({ class: classParameter }),
    body: {
      required: true,
      content: {
        'application/json': { schema: leaseRequestSchema, example: { action: 'acquire', controller: 'f5-a' } },
      },
    },
  },
  responses: answers(leaseStatusSchema, 'The lease as it is now', leaseExample),
});

export function addLoadBalancerRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(listRoute, (c) => {
    answeredAt(c, requireDecided(api));
    const policies = loadBalancerPolicies(api);
    const items = loadBalancerClasses(store).map(({ loadBalancerClass }) => {
      const policy = policies.find(({ spec }) => spec.loadBalancerClass === loadBalancerClass);
      return summarizeClass(store, loadBalancerClass, { policy, nowMs: nowMs(api) });
    });
    return c.json({ items }, 200);
  });

  app.openapi(leaseRoute, (c) => {
    const loadBalancerClass = readClass(c.req.valid('param'));
    const lease = controllerLease(store, loadBalancerClass);
    return c.json(lease === undefined ? null : leaseStatus(loadBalancerClass, lease, nowMs(api)), 200);
  });

  app.openapi(changeRoute, async (c) => {
    const loadBalancerClass = readClass(c.req.valid('param'));
    const lease = await changeLease(api, loadBalancerClass, c.req.valid('json'));
    return c.json(leaseStatus(loadBalancerClass, lease, nowMs(api)), 200);
  });
}
