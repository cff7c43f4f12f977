import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { healthSchema, readinessSchema } from '@signalbox/contracts';
import { answers } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { readinessExample } from '../examples.ts';
import { readReadiness } from '../readiness.ts';

const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  tags: ['Operation'],
  summary: 'The process answers',
  responses: answers(healthSchema, 'Always, while it does', { status: 'ok' }),
});

const readyRoute = createRoute({
  method: 'get',
  path: '/readyz',
  tags: ['Operation'],
  summary: 'Every known cluster is synced and derived in every layer',
  responses: {
    200: answers(readinessSchema, 'Ready', readinessExample)[200],
    503: {
      description: 'Not ready; says what is missing',
      content: {
        'application/json': {
          schema: readinessSchema,
          example: { isReady: false, missing: ['the dns layer has not derived anything yet'], revision: 0 },
        },
      },
    },
  },
});

const metricsRoute = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['Operation'],
  summary: 'Metrics for Prometheus',
  responses: {
    200: {
      description: 'Prometheus text format',
      content: { 'text/plain': { schema: z.string(), example: 'signalbox_api_revision 42\n' } },
    },
  },
});

export function addHealthRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  app.openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200));
  app.openapi(readyRoute, (c) => {
    const readiness = readReadiness(api);
    const { isReady, missing } = readiness;
    // Where tokens are asked for, whoever comes this far has one.
    const mayKnow = api.isTokenRequired === true || (api.metricsToken?.isIn(c.req.header('authorization')) ?? true);
    const told =
      mayKnow || missing.length === 0 ? missing : ['what is missing is told to holders of the metrics token'];
    return c.json({ ...readiness, missing: told }, isReady ? 200 : 503);
  });
  app.openapi(metricsRoute, async (c) => {
    const headers = { 'content-type': api.registry.contentType };
    return c.text(await api.registry.metrics(), 200, headers);
  });
}
