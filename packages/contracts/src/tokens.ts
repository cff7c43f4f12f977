/** Who may ask the HTTP API for what. Tokens are objects of the event log, so that every replica of the API knows them. */
import { z } from 'zod';

export const TOKEN_SCOPES = ['read', 'integrate', 'admin'] as const;
/**
 * read       all that can be read, except tokens
 * integrate  target groups, reports, leases and addresses of the load-balancer classes that it names, and nothing else
 * admin      everything
 */
export type TokenScope = (typeof TOKEN_SCOPES)[number];

/** A part of the token itself, so that a token that is found somewhere can be told and taken back. */
export const tokenNameSchema = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'may hold lower-case letters, digits and - between them');

export const apiTokenSpecSchema = z
  .strictObject({
    scope: z.enum(TOKEN_SCOPES),
    /** Load-balancer classes of the scope `integrate`, empty text for Services without a class; empty list otherwise. */
    classes: z.array(z.string().max(253)).max(100),
    /** SHA-256 of the whole token, hexadecimal. The token has 256 random bits, so a slow hash would gain nothing. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    /** Epoch milliseconds; absent: for ever. */
    expiresAtMs: z.int().min(0).optional(),
  })
  .meta({ id: 'ApiTokenSpec' });

export const apiTokenObjectSchema = z.object({
  kind: z.literal('ApiToken'),
  metadata: z.strictObject({ name: tokenNameSchema }),
  spec: apiTokenSpecSchema,
});
export type ApiTokenObject = z.infer<typeof apiTokenObjectSchema>;

/** What the API tells of a token: never the hash. */
export const tokenSchema = z
  .object({
    name: z.string(),
    scope: z.enum(TOKEN_SCOPES),
    classes: z.array(z.string()),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    isExpired: z.boolean(),
    revision: z.int().min(0),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof tokenSchema>;

export const tokenListSchema = z.object({ items: z.array(tokenSchema) });

export const tokenRequestSchema = z
  .strictObject({
    name: tokenNameSchema,
    scope: z.enum(TOKEN_SCOPES),
    classes: z.array(z.string().max(253)).max(100).default([]),
    /** Seconds from now; absent: for ever. */
    expiresInSeconds: z.int().min(1).max(315_360_000).optional(),
  })
  .refine(({ scope, classes }) => (scope === 'integrate') === classes.length > 0, {
    path: ['classes'],
    message: 'name the load-balancer classes of the scope integrate, and of no other',
  })
  .meta({ id: 'TokenRequest' });
export type TokenRequest = z.infer<typeof tokenRequestSchema>;

/** The only time that the token itself is told. */
export const createdTokenSchema = tokenSchema
  .extend({
    token: z.string(),
    /** False: this API answers without tokens as well. */
    isRequired: z.boolean(),
  })
  .meta({ id: 'CreatedToken' });
export type CreatedToken = z.infer<typeof createdTokenSchema>;
