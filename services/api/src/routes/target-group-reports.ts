import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  addressRequestSchema,
  loadBalancerIntentSchema,
  reportRequestSchema,
  SignalboxError,
  targetGroupReportStatusSchema,
} from '@signalbox/contracts';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { addressExample, reportExample } from '../examples.ts';
import { putReport, requireHolder } from '../lease-log.ts';
import { putLoadBalancerAddress } from '../load-balancer-address.ts';
import { classParameter, groupIdParameter, readClass } from '../parameters.ts';
import { preconditionOf } from '../precondition.ts';
import { findGroup, parseGroupId, reportStatus } from '../target-group-views.ts';

const tags = ['Load balancers'];
const params = z.object({ class: classParameter, id: groupIdParameter });
const claim = { controller: 'f5-a', epoch: 3 };

const reportRoute = createRoute({
  method: 'put',
  path: '/v1/load-balancers/{class}/target-groups/{id}/report',
  tags,
  summary: 'What the load balancer has programmed of a group, why no more, and the health of its targets',
  description: 'Only by the holder of the lease: 409 names who that is. Replaces the report before.',
  request: {
    params,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: reportRequestSchema,
          example: {
            ...claim,
            index: 118,
            revision: 41,
            targets: [{ address: '192.0.2.11', port: 30_080, health: 'healthy' }],
          },
        },
      },
    },
  },
  responses: answers(targetGroupReportStatusSchema, 'The report as it is now', reportExample),
});

const addressRoute = createRoute({
  method: 'put',
  path: '/v1/load-balancers/{class}/target-groups/{id}/address',
  tags,
  summary: "The address that the load balancer has for the group's Service; rules and DNS follow it",
  description: [
    'Kept as the intent `load-balancer-addresses`, one for each Service; without effect where the cluster itself says an',
    'address. 409 when the address comes from a pool, or not by the holder of the lease. `If-Match: "REVISION"` replaces',
    'that content only, `If-None-Match: *` makes a new one only.',
  ].join(' '),
  request: {
    params,
    body: {
      required: true,
      content: {
        'application/json': { schema: addressRequestSchema, example: { ...claim, ingress: [{ ip: '203.0.113.7' }] } },
      },
    },
  },
  responses: answers(loadBalancerIntentSchema, 'The address, and the revision that holds it', addressExample),
});

export function addTargetGroupReportRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  const { store } = api;
  app.openapi(reportRoute, async (c) => {
    const { id } = c.req.valid('param');
    const key = parseGroupId(readClass(c.req.valid('param')), id);
    const request = c.req.valid('json');
    await requireHolder(api, key.loadBalancerClass, request);
    const group = findGroup(store, key, id);
    if (request.index > 0 && request.revision === 0) {
      throw new SignalboxError('invalid', 'revision: give that of the group that is programmed');
    }
    return c.json(reportStatus(await putReport(api, key, request), group.index), 200);
  });

  app.openapi(addressRoute, async (c) => {
    const { id } = c.req.valid('param');
    const key = parseGroupId(readClass(c.req.valid('param')), id);
    const { ingress, ...holder } = c.req.valid('json');
    await requireHolder(api, key.loadBalancerClass, holder);
    findGroup(store, key, id);
    const { intent, isCreated } = await putLoadBalancerAddress(api, key, {
      ingress,
      controller: holder.controller,
      precondition: preconditionOf(c),
    });
    c.header('etag', `"${intent.revision}"`);
    return c.json(intent, (isCreated ? 201 : 200) as 200);
  });
}
