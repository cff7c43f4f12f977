/** How much one client may ask for: requests per second, by token, or by address without one; and how long a body may be. */
import { Counter } from '@signalbox/kit';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { type ApiDependencies, nowMs } from '../dependencies.ts';
import { problemOf, problemResponse } from '../problem.ts';
import { clientAddress, tooMany } from './authenticate.ts';
import { TokenBuckets } from './token-bucket.ts';

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Seconds of the limit that may be used at once. */
const BURST_SECONDS = 5;

export function limitRequests(api: ApiDependencies, perSecond: number): MiddlewareHandler {
  const buckets = new TokenBuckets({ perSecond, burst: perSecond * BURST_SECONDS });
  const refused = new Counter({
    name: 'signalbox_api_limited_requests_total',
    help: 'Requests refused because their client asks too often.',
    registers: [api.registry],
  });
  return async (c, next) => {
    const client = (c.get('client') as string | undefined) ?? clientAddress(c);
    const at = nowMs(api);
    const waitMs = buckets.waitMs(client, at);
    if (waitMs > 0) {
      refused.inc();
      return tooMany(`more than ${perSecond} requests per second`, waitMs);
    }
    buckets.take(client, at);
    return await next();
  };
}

/** Of all routes that have no lower limit of their own; ExternalDNS sends all its records at once, and limits itself. */
export function limitBodies(): MiddlewareHandler {
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () =>
      problemResponse({ ...problemOf('invalid', `the body is longer than ${MAX_BODY_BYTES} bytes`), status: 413 }),
  });
  return async (c, next) => (c.req.path.startsWith('/external-dns') ? await next() : await limit(c, next));
}
