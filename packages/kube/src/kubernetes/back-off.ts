/** How long a reflector waits before its next read. */
import type { ReflectorState } from './reflector-state.ts';

export interface BackOffSettings {
  readonly baseMs: number;
  readonly capMs: number;
  /** For what a person has to put right first: credentials, RBAC, a missing API. */
  readonly slowMs: number;
}

/** A server or proxy that asks for more than this is asked again all the same. */
const MAX_RETRY_AFTER_MS = 300_000;

/**
 * Exponential with full jitter: anywhere between nothing and the bound, so that the kinds of many clusters do not come
 * back together. `random` is in [0, 1). A server's Retry-After is a lower bound.
 */
export function pauseMs(
  { pause, failures }: Pick<ReflectorState, 'pause' | 'failures'>,
  settings: BackOffSettings,
  random: number,
  retryAfterMs: number,
): number {
  if (pause === 'none') return 0;
  const bound = Math.min(settings.capMs, settings.baseMs * 2 ** Math.min(failures - 1, 30));
  const ownMs = pause === 'slow' ? settings.slowMs * (0.5 + random / 2) : bound * random;
  return Math.max(ownMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS));
}
