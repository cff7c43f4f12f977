/** What the STATUS stream carries: how each source is doing, per kind. Never part of a revision. */
import { z } from 'zod';
import { ALL_SOURCE_KINDS } from './objects.ts';

/**
 * States of one kind of one cluster:
 *
 *     syncing ──► watching ◄──► reconnecting ──► (unreachable, after several failed attempts)
 *        │            │
 *        └────────────┴──► forbidden | unauthorized | missing | failed     (each retried with back-off)
 *
 * `watching` is the only state in which what the log holds is current; in the others it is the last known truth.
 */
export const sourceStateSchema = z.enum([
  'syncing',
  'watching',
  'reconnecting',
  'unreachable',
  'unauthorized',
  'forbidden',
  'missing',
  'failed',
]);
export type SourceState = z.infer<typeof sourceStateSchema>;

export const sourceStatusSchema = z
  .object({
    cluster: z.string(),
    kind: z.enum(ALL_SOURCE_KINDS),
    state: sourceStateSchema,
    /** What happened and what to do, for people; empty while all is well. */
    message: z.string(),
    /** Objects known now, and objects left out because they could not be read. */
    objects: z.int().min(0),
    skipped: z.int().min(0),
    resourceVersion: z.string(),
    /** When `state` was entered, epoch milliseconds. */
    sinceMs: z.int().min(0),
  })
  .meta({ id: 'SourceStatus' });
export type SourceStatus = z.infer<typeof sourceStatusSchema>;
