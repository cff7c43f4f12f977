/**
 * Flap damping of one target, as RFC 2439 has it for routes: each departure costs a penalty, which decays by half every
 * half-life. Above `suppressAbove` the target is held down until the penalty is below `reuseBelow`. The penalty is capped
 * so that this takes `maxSuppressMs` at most.
 */
import type { GroupTarget } from '@signalbox/contracts';
import type { DampingPolicy } from './damping-policy.ts';

export type Flaps = NonNullable<GroupTarget['flaps']>;
type FlapPolicy = DampingPolicy['flapping'];

/** Undefined where departures cost nothing. */
export function flapsAfterDeparture(before: Flaps | undefined, policy: FlapPolicy, nowMs: number): Flaps | undefined {
  if (policy.penalty === 0) return undefined;
  const carried = before === undefined ? 0 : penaltyAt(before, policy, nowMs);
  const ceiling = policy.reuseBelow * 2 ** (policy.maxSuppressMs / Math.max(1, policy.halfLifeMs));
  const penalty = Math.min(carried + policy.penalty, ceiling);
  const wasHeldDown = heldDownUntilMs(before, policy, nowMs) !== undefined;
  return { penalty, atMs: nowMs, isHeldDown: wasHeldDown || penalty > policy.suppressAbove };
}

/** Until when the target is held down; undefined when it is not. */
export function heldDownUntilMs(flaps: Flaps | undefined, policy: FlapPolicy, nowMs: number): number | undefined {
  if (!flaps?.isHeldDown || policy.penalty === 0) return undefined;
  const untilMs = decayedAtMs(flaps, policy.reuseBelow, policy);
  return untilMs > nowMs ? untilMs : undefined;
}

/** When nothing is left of a penalty that would matter (RFC 2439 forgets at half of the reuse threshold). */
export function flapsForgottenAtMs(flaps: Flaps, policy: FlapPolicy): number {
  return decayedAtMs(flaps, policy.reuseBelow / 2, policy);
}

export function penaltyAt({ penalty, atMs }: Flaps, { halfLifeMs }: FlapPolicy, nowMs: number): number {
  return penalty * 2 ** (-Math.max(0, nowMs - atMs) / Math.max(1, halfLifeMs));
}

function decayedAtMs({ penalty, atMs }: Flaps, threshold: number, { halfLifeMs }: FlapPolicy): number {
  if (penalty <= threshold) return atMs;
  return atMs + Math.ceil(halfLifeMs * Math.log2(penalty / threshold));
}
