/** What of an answer may go out over UDP, where answers are limited. */
import { performance } from 'node:perf_hooks';
import { HEADER_BYTES, skipWireName, uint16 } from '@signalbox/zones';
import type { AnswerCounts } from './answer-counts.ts';
import { hashOf, type RateLimiter } from './rate-limiter.ts';

interface Limits {
  readonly rateLimiter?: RateLimiter | undefined;
  readonly metrics: { readonly answers: AnswerCounts };
}

/** The message, or a truncated one without records, or nothing. `kind` is what shares a limit; by default see `kindOf`. */
export function withinLimit(
  { rateLimiter, metrics }: Limits,
  peer: string,
  message: Uint8Array | undefined,
  kind?: number,
): Uint8Array | undefined {
  if (message === undefined || rateLimiter === undefined) return message;
  const verdict = rateLimiter.check(peer, kind ?? kindOf(message), performance.now());
  if (verdict === 'send') return message;
  metrics.answers.addLimited(verdict);
  return verdict === 'slip' ? slipped(message) : undefined;
}

/** Of what is found each question has a limit of its own. Misses and errors share one, or ever other names would get by. */
function kindOf(message: Uint8Array): number {
  const code = (message[3] ?? 0) & 0xf;
  return code === 0
    ? hashOf(Buffer.from(message.subarray(HEADER_BYTES, questionEnd(message))).toString('latin1'), 0)
    : code;
}

/** A real client comes again over TCP, and nothing is amplified. */
function slipped(message: Uint8Array): Uint8Array {
  const slip = new Uint8Array(message.subarray(0, questionEnd(message)));
  slip[2] = (slip[2] ?? 0) | 0x02;
  return slip.fill(0, 6, HEADER_BYTES);
}

function questionEnd(message: Uint8Array): number {
  return uint16(message, 4) === 1 ? (skipWireName(message, HEADER_BYTES) ?? HEADER_BYTES) + 4 : HEADER_BYTES;
}
