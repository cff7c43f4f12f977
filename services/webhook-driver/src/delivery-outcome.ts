/**
 * What an answer means for a message. Pure.
 *
 *   status              │ outcome
 *   ────────────────────┼──────────────────────────────────────────────────────────────────
 *   2xx                 │ delivered: the index is programmed
 *   410                 │ refused for good: the receiver does not want this group; a newer index is tried
 *   408, 425, 429, 5xx  │ tried again, with back-off or after `retry-after`
 *   3xx, other 4xx      │ refused: the same bytes would be refused again; tried again now and then, and a newer index at once
 */
import type { PostAnswer } from './post-message.ts';

export type DeliveryOutcome =
  | { readonly type: 'delivered' }
  | { readonly type: 'gone'; readonly reason: string }
  | { readonly type: 'retry'; readonly reason: string; readonly afterMs: number | undefined }
  | { readonly type: 'refused'; readonly reason: string };

const RETRIED = new Set([408, 425, 429]);

export function deliveryOutcome({ status, text, retryAfterMs }: PostAnswer): DeliveryOutcome {
  if (status >= 200 && status < 300) return { type: 'delivered' };
  const reason = `the receiver answered ${status}${text === '' ? '' : `: ${text}`}`;
  if (status === 410) return { type: 'gone', reason };
  if (RETRIED.has(status) || status >= 500) return { type: 'retry', reason, afterMs: retryAfterMs };
  return { type: 'refused', reason };
}

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Doubled with each failure, of which a random half is waited for, so that many senders do not come together. */
export function backoffMs(failures: number, random: number, { minMs, maxMs }: Backoff): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return Math.round(full * (0.5 + random / 2));
}
