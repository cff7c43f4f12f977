import type { IncomingMessage, ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { changeDataSchemas, problemSchema, SignalboxError } from '@signalbox/contracts';
import type { ChangeSink, ChangeStream } from '../change-stream.ts';
import { revisionExample } from '../examples.ts';

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies of the nginx family hold events back otherwise.
  'x-accel-buffering': 'no',
} as const;
const position = z.string().max(64);

const route = createRoute({
  method: 'get',
  path: '/v1/changes',
  tags: ['Changes'],
  summary: 'What changes, as it happens (Server-Sent Events)',
  description: [
    'Goes on after `Last-Event-ID` (or `?after=`); without either it begins now. The events are `object`, `document`,',
    '`watermark`, `status`, and `reset`: then what came after the given id is not known any more, so list again. A',
    'revision is in effect when each layer has sent a `watermark` that reaches it.',
  ].join(' '),
  request: {
    query: z.strictObject({
      after: position.optional().openapi({ param: { description: 'Instead of the header `Last-Event-ID`.' } }),
    }),
    headers: z.object({ 'last-event-id': position.optional() }),
  },
  responses: {
    200: {
      description: 'The stream',
      content: {
        'text/event-stream': {
          schema: z.union(Object.values(changeDataSchemas)).openapi({ description: 'The data of one event' }),
          example: `id: 5f2c7d1e9a40-17\nevent: object\ndata: ${JSON.stringify(revisionExample)}\n\n`,
        },
      },
    },
    default: {
      description: 'A problem document (RFC 9457)',
      content: { 'application/problem+json': { schema: problemSchema } },
    },
  },
});

/** What @hono/node-server puts into `c.env`; absent when the app is called without a socket. */
interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse;
}

export function addChangeRoute(app: OpenAPIHono, stream: ChangeStream): void {
  app.openapi(route, (c) => {
    if (stream.isFull) throw new SignalboxError('unavailable', 'too many clients follow the changes; try again later');
    // Hono answers HEAD with this route and drops the body; a stream would be followed by nobody.
    if (c.req.method === 'HEAD') return c.body(null, 200, HEADERS);
    const lastId = c.req.valid('query').after ?? c.req.valid('header')['last-event-id'];
    const { outgoing } = (c.env ?? {}) as NodeBindings;
    return outgoing === undefined ? streamToWeb(stream, lastId) : streamToSocket(stream, outgoing, lastId);
  });
}

/** Straight to the socket: a web stream costs ten times as much for each write, and there are many. */
function streamToSocket(stream: ChangeStream, outgoing: ServerResponse, lastId: string | undefined): Response {
  outgoing.writeHead(200, HEADERS);
  const sink: ChangeSink = {
    write: (chunk) => outgoing.write(chunk),
    onDrain: (resume) => outgoing.once('drain', resume),
    end: () => outgoing.end(),
  };
  const remove = stream.add(sink, lastId);
  outgoing.once('close', remove);
  return RESPONSE_ALREADY_SENT;
}

function streamToWeb(stream: ChangeStream, lastId: string | undefined): Response {
  let remove = () => {};
  let resume = () => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const sink: ChangeSink = {
          write: (chunk) => {
            controller.enqueue(chunk);
            return (controller.desiredSize ?? 0) > 0;
          },
          onDrain: (listener) => {
            resume = listener;
          },
          end: () => controller.close(),
        };
        remove = stream.add(sink, lastId);
      },
      pull: () => resume(),
      cancel: () => remove(),
    },
    { highWaterMark: 16 },
  );
  return new Response(body, { headers: HEADERS });
}
