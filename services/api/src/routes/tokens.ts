import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import {
  createdTokenSchema,
  intentRemovalSchema,
  tokenListSchema,
  tokenNameSchema,
  tokenRequestSchema,
} from '@signalbox/contracts';
import { stateRevision } from '@signalbox/store';
import { answers } from '../answers.ts';
import { createToken, deleteToken, listTokens } from '../auth/token-log.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { tokenExample } from '../examples.ts';
import { answeredAt } from '../revision-gate.ts';

const tags = ['Tokens'];

const listRoute = createRoute({
  method: 'get',
  path: '/v1/tokens',
  tags,
  summary: 'Who may ask this API, and for what; never the tokens themselves',
  request: { query: z.strictObject({}) },
  responses: answers(tokenListSchema, 'All tokens, by name', { items: [tokenExample] }),
});

const createTokenRoute = createRoute({
  method: 'post',
  path: '/v1/tokens',
  tags,
  summary: 'Make a token; this answer alone holds it',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: tokenRequestSchema,
          example: { name: 'f5', scope: 'integrate', classes: ['example.com/f5'] },
        },
      },
    },
  },
  responses: answers(createdTokenSchema, 'The token (201)', {
    ...tokenExample,
    token: 'sbx_f5.c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U',
    isRequired: true,
  }),
});

const deleteRoute = createRoute({
  method: 'delete',
  path: '/v1/tokens/{name}',
  tags,
  summary: 'Take a token back; every replica refuses it as soon as it has read the log',
  request: { params: z.object({ name: tokenNameSchema.clone().openapi({ example: 'f5' }) }) },
  responses: answers(intentRemovalSchema, 'The revision in which it is gone', { revision: 44 }),
});

export function addTokenRoutes(app: OpenAPIHono, api: ApiDependencies): void {
  app.openapi(listRoute, (c) => {
    answeredAt(c, stateRevision(api.store).head);
    return c.json({ items: listTokens(api) }, 200);
  });

  app.openapi(createTokenRoute, async (c) => {
    const { token, text } = await createToken(api, c.req.valid('json'));
    c.header('cache-control', 'no-store');
    return c.json({ ...token, token: text, isRequired: api.isTokenRequired === true }, 201 as 200);
  });

  app.openapi(deleteRoute, async (c) => c.json({ revision: await deleteToken(api, c.req.valid('param').name) }, 200));
}
