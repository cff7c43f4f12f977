/** What becomes of a target that the cluster does not want in (any more). */
import type { GroupTarget, Target } from '@signalbox/contracts';
import type { Wait } from './arrivals.ts';
import type { Stay } from './departures.ts';
import { flapsAfterDeparture, heldDownUntilMs } from './flaps.ts';
import type { GroupContext, Member } from './members.ts';
import { unchangedOr } from './unchanged.ts';

/** What was decided of the group's targets together; by place. */
export interface Verdicts {
  readonly waits: ReadonlyMap<string, Wait>;
  readonly stays: ReadonlyMap<string, Stay>;
  /** An update goes out anyway, or has to: whoever has drained can leave with it. */
  readonly isClearing: boolean;
}

/** It is active. */
export function leavingTarget(
  before: GroupTarget,
  { place, wanted }: Member,
  verdicts: Verdicts,
  context: GroupContext,
): GroupTarget {
  const { facts, tally } = context;
  const stay = verdicts.stays.get(place);
  if (stay !== undefined) return stayingTarget(before, stay, context);
  const { untilMs: _until, outstanding, ...kept } = before;
  if (wanted !== undefined) {
    tally.count('drained');
    return { ...kept, state: 'draining', reason: 'terminating', sinceMs: facts.nowMs };
  }
  tally.count('removed');
  if (outstanding !== undefined) {
    tally.count(facts.confirmedRevision >= outstanding.revision ? 'confirmed' : 'guard-expired');
  }
  const left: GroupTarget = { ...kept, state: 'draining', reason: 'removed', sinceMs: facts.nowMs };
  return removedTarget(withPenalty(left, context), verdicts, context);
}

function stayingTarget(before: GroupTarget, { reason, untilMs, sinceMs }: Stay, context: GroupContext): GroupTarget {
  const { tally, revision } = context;
  if (before.reason !== reason) tally.count(reason === 'mass-removal-guard' ? 'guard-held' : 'last-known-good');
  if (untilMs !== undefined) tally.wakeAt(untilMs);
  const { untilMs: _until, outstanding, ...kept } = before;
  const isKnown = before.reason === reason && outstanding !== undefined;
  const since = sinceMs === undefined ? undefined : { sinceMs, revision: isKnown ? outstanding.revision : revision };
  return unchangedOr(before, {
    ...kept,
    reason,
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(since && { outstanding: since }),
  });
}

/** It drains. */
export function drainingTarget(
  before: GroupTarget,
  wanted: Target | undefined,
  verdicts: Pick<Verdicts, 'isClearing'>,
  context: GroupContext,
): GroupTarget {
  if (wanted === undefined) return removedTarget(flapped(before, context), verdicts, context);
  const { untilMs: _until, outstanding: _outstanding, ...kept } = before;
  return unchangedOr(before, { ...kept, reason: 'terminating' });
}

/**
 * Nobody is in a hurry to take out what gets no connections any more: it goes with the next update, or after the longest
 * time that additions wait.
 */
function removedTarget(
  before: GroupTarget,
  { isClearing }: Pick<Verdicts, 'isClearing'>,
  context: GroupContext,
): GroupTarget {
  const { outstanding, drainedMs, untilMs } = drainOf(before, context);
  if (isClearing && drainedMs <= context.facts.nowMs) return goneTarget(before, context);
  context.tally.wakeAt(untilMs);
  if (before.outstanding === outstanding && before.untilMs === untilMs) return before;
  return { ...before, reason: 'removed', untilMs, outstanding };
}

/** It would have to leave by now, whether an update goes out or not. */
export function isOverdue({ before, wanted }: Member, context: GroupContext): boolean {
  if (before?.state !== 'draining' || wanted !== undefined) return false;
  return drainOf(before, context).untilMs <= context.facts.nowMs;
}

/** From when on a target that is not wanted may be gone, and when it has to. */
function drainOf({ reason, outstanding, sinceMs }: GroupTarget, { facts, policy, revision }: GroupContext) {
  const known = reason === 'removed' ? outstanding : undefined;
  const unwanted = known ?? { sinceMs: facts.nowMs, revision };
  const drainedMs = Math.max(sinceMs + policy.drainMs, unwanted.sinceMs);
  return { outstanding: unwanted, drainedMs, untilMs: drainedMs + policy.additions.maxDelayMs };
}

/** It waited to get in. */
export function droppedTarget(before: GroupTarget, wanted: Target | undefined, context: GroupContext): GroupTarget {
  return goneTarget(wanted === undefined ? flapped(before, context) : before, context);
}

export function goneTarget(before: GroupTarget, { facts, policy }: GroupContext): GroupTarget {
  const { untilMs: _until, outstanding: _outstanding, ...kept } = before;
  const heldUntilMs = heldDownUntilMs(before.flaps, policy.flapping, facts.nowMs);
  const why =
    heldUntilMs === undefined ? { reason: 'removed' as const } : { reason: 'flapping' as const, untilMs: heldUntilMs };
  return { ...kept, state: 'gone', ...why, sinceMs: facts.nowMs };
}

/** One that waited to get in, and left before: that counts as a departure like any other, or nobody would stay held down. */
function flapped(before: GroupTarget, context: GroupContext): GroupTarget {
  return before.outstanding === undefined || before.reason === 'removed' ? before : withPenalty(before, context);
}

function withPenalty({ flaps: before, ...target }: GroupTarget, { facts, policy }: GroupContext): GroupTarget {
  const flaps = flapsAfterDeparture(before, policy.flapping, facts.nowMs);
  return flaps === undefined ? target : { ...target, flaps };
}
