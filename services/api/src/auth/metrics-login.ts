/** Where the API asks nobody for a token, `/metrics` still asks for its own, when there is one. */
import { bearerChallenge, type MetricsToken } from '@signalbox/kit';
import type { MiddlewareHandler } from 'hono';
import { problemOf, problemResponse } from '../problem.ts';

export function metricsLogin(token: MetricsToken): MiddlewareHandler {
  return async (c, next) => {
    const authorization = c.req.header('authorization');
    if (token.isIn(authorization)) return await next();
    const problem = problemOf('unauthorized', 'this needs the metrics token: Authorization: Bearer TOKEN');
    return problemResponse(problem, { 'www-authenticate': bearerChallenge(authorization) });
  };
}
