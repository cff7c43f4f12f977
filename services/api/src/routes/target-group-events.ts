import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { problemSchema, SignalboxError, targetGroupListSchema } from '@signalbox/contracts';
import type { ApiDependencies } from '../dependencies.ts';
import { targetGroupExample } from '../examples.ts';
import { classParameter, readClass } from '../parameters.ts';
import type { TargetGroupLists } from '../target-group-lists.ts';
import { requireDecided } from '../target-group-state.ts';
import { TargetGroupStream } from '../target-group-stream.ts';
import type { TargetGroupWatch } from '../target-group-watch.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
} as const;

const route = createRoute({
  method: 'get',
  path: '/v1/load-balancers/{class}/target-groups/events',
  tags: ['Load balancers'],
  summary: 'The target groups of a class as they change (Server-Sent Events)',
  description: [
    'First `snapshot` with all groups, then `change` for each Service that changed: all its groups, none when it is gone.',
    'The id of an event is the index. With `Last-Event-ID` only what came after it is sent, where that is still known.',
  ].join(' '),
  request: {
    params: z.object({ class: classParameter }),
    query: z.strictObject({}),
    headers: z.object({ 'last-event-id': z.string().max(64).optional() }),
  },
  responses: {
    200: {
      description: 'The stream',
      content: {
        'text/event-stream': {
          schema: targetGroupListSchema,
          example: `id: 118\nevent: snapshot\ndata: ${JSON.stringify({ index: 118, items: [targetGroupExample] })}\n\n`,
        },
      },
    },
    default: {
      description: 'A problem document (RFC 9457)',
      content: { 'application/problem+json': { schema: problemSchema } },
    },
  },
});

interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse;
}

interface Sources {
  readonly watch: TargetGroupWatch;
  readonly lists: TargetGroupLists;
}

export function addTargetGroupEventRoute(app: OpenAPIHono, api: ApiDependencies, sources: Sources): void {
  app.openapi(route, (c) => {
    const loadBalancerClass = readClass(c.req.valid('param'));
    requireDecided(api);
    if (c.req.method === 'HEAD') return c.body(null, 200, HEADERS);
    const { outgoing } = (c.env ?? {}) as NodeBindings;
    if (outgoing === undefined) throw new SignalboxError('unavailable', 'a stream needs a socket');
    const lastId = c.req.valid('header')['last-event-id'];
    const after = /^\d{1,15}$/.test(lastId ?? '') ? Number(lastId) : undefined;
    const stream = new TargetGroupStream({ store: api.store, ...sources, loadBalancerClass });
    return new Response(stream.open(after), { headers: HEADERS });
  });
}
