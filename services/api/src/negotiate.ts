/** Text or JSON, for what is both. */
import { z } from '@hono/zod-openapi';

export const formatParameter = z
  .enum(['text', 'json'])
  .optional()
  .openapi({ param: { description: 'Instead of an Accept header.' } });

/** `format` wins over the Accept header; without either it is text. */
export function isJsonWanted(accept: string | undefined, format: 'text' | 'json' | undefined): boolean {
  return format === undefined ? (accept ?? '').includes('application/json') : format === 'json';
}

/** The other way round: JSON without either. */
export function isTextWanted(accept: string | undefined, format: 'text' | 'json' | undefined): boolean {
  return format === undefined ? /text\/(dns|plain)/.test(accept ?? '') : format === 'text';
}
