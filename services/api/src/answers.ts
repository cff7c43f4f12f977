/** How answers are written into the OpenAPI document. */
import type { z } from '@hono/zod-openapi';
import { problemSchema } from '@signalbox/contracts';

const problem = {
  description: 'A problem document (RFC 9457)',
  content: { 'application/problem+json': { schema: problemSchema } },
} as const;

/** JSON, with an example that the schema accepts (a test checks it). */
export function answers<Schema extends z.ZodType>(schema: Schema, description: string, example: z.input<Schema>) {
  return { 200: { description, content: { 'application/json': { schema, example } } }, default: problem } as const;
}

/** JSON or text, as the request's Accept header or `format` has it. */
export function answersWithText<Schema extends z.ZodType>(options: {
  schema: Schema;
  description: string;
  example: z.input<Schema>;
  textType: string;
  textExample: string;
}) {
  const { schema, description, example, textType, textExample } = options;
  const text = { schema: { type: 'string' as const }, example: textExample };
  return {
    200: { description, content: { [textType]: text, 'application/json': { schema, example } } },
    default: problem,
  } as const;
}
