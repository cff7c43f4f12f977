import { SignalboxError } from '@signalbox/contracts';
import type { Context } from 'hono';

/** What the caller believes of an intent (RFC 9110 §13.1): its revision, that there is none, or nothing. */
export type Precondition = number | 'absent' | undefined;

export function preconditionOf(c: Context): Precondition {
  const [match, noneMatch] = [c.req.header('if-match'), c.req.header('if-none-match')];
  if (noneMatch?.trim() === '*') return 'absent';
  if (match === undefined && noneMatch === undefined) return undefined;
  const revision = /^"?(\d{1,15})"?$/.exec(match?.trim() ?? '')?.[1];
  if (revision !== undefined) return Number(revision);
  throw new SignalboxError('invalid', 'If-Match: give the revision of the intent, like "42"; or If-None-Match: *');
}
