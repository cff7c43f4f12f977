/** Parameters that several routes take. */
import { z } from '@hono/zod-openapi';
import { clusterNameSchema, NO_CLASS } from '@signalbox/contracts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** Of names in the path: longer than any Kubernetes name. */
const name = z.string().min(1).max(253);

const digits = z.string().regex(/^\d{1,15}$/, 'must be a whole number');

// Cloned, because only schemas made after the OpenAPI extension was loaded have its method.
export const clusterParameter = clusterNameSchema.clone().openapi({
  param: { description: 'Name of the cluster; `/` in it is written `%2F`.' },
  example: 'shop-eu',
});
export const namespaceParameter = name.openapi({ example: 'shop' });
export const nameParameter = name.openapi({ example: 'web' });

export const revisionParameter = digits.transform(Number).openapi({
  type: 'integer',
  minimum: 0,
  param: { description: 'Answer as of this revision. 400 when it is not derived yet, 410 when it is no longer kept.' },
});

export const wantedRevisionParameter = digits.transform(Number).openapi({
  type: 'integer',
  minimum: 0,
  param: { description: 'How far it has come; absent: what each layer has derived.' },
});

/** Strict, as all that extend it are: a filter with a typing mistake would otherwise list everything. */
export const revisionQuery = z.strictObject({ revision: revisionParameter.optional() });

export const listQuery = revisionQuery.extend({
  limit: digits
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_LIMIT))
    .default(DEFAULT_LIMIT)
    .openapi({
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIMIT,
      param: { description: 'Items in one page, at most. A page may hold fewer and still have a next one.' },
    }),
  next: z
    .string()
    .max(2_000)
    .optional()
    .openapi({ param: { description: '`next` of the page before; with the same filters.' } }),
});

export const placeQuery = listQuery.extend({
  cluster: clusterParameter.optional(),
  namespace: namespaceParameter.optional(),
});

export const classParameter = z
  .string()
  .min(1)
  .max(253)
  .openapi({
    param: { description: '`spec.loadBalancerClass`, `/` in it written `%2F`; `_` for Services without one.' },
    example: 'example.com/f5',
  });

export function readClass({ class: text }: { readonly class: string }): string {
  return text === NO_CLASS ? '' : text;
}

export const groupIdParameter = z
  .string()
  .min(1)
  .max(300)
  .openapi({
    param: { description: '`id` of the target group; `/` in it is written `%2F`.' },
    example: 'shop-eu/shop/web:80/TCP',
  });

export const indexParameter = digits.transform(Number).openapi({
  type: 'integer',
  minimum: 0,
  param: { description: 'Wait for what comes after this index.' },
});

const MAX_WAIT_MS = 300_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** In milliseconds. */
export const waitParameter = z
  .string()
  .regex(/^\d{1,6}(ms|s|m)$/, 'must be like 500ms, 30s or 5m')
  .transform((text) => {
    const [, count, unit = ''] = /^(\d+)(\w+)$/.exec(text) ?? [];
    return Number(count) * (UNITS[unit] ?? 0);
  })
  .openapi({
    type: 'string',
    example: '30s',
    param: { description: 'How long to wait, at most: `500ms`, `30s`, `5m`. Default and maximum 5m.' },
  });

/** Up to a sixteenth more, so that those who began together do not come back together. */
export function waitOf(milliseconds = MAX_WAIT_MS): number {
  return Math.min(milliseconds, MAX_WAIT_MS) * (1 + Math.random() / 16);
}
