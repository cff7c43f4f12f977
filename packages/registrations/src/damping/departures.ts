/**
 * Which of the active targets that the cluster no longer wants leave now, and which are held.
 *
 *   the target…                               │ cluster readable          │ unreachable │ lost                  │ emptied
 *   ──────────────────────────────────────────┼───────────────────────────┼─────────────┼───────────────────────┼────────────────────
 *   terminates and still serves               │ leaves                    │ leaves      │                       │
 *   is gone, and its removal was confirmed    │ leaves                    │ leaves      │ leaves                │ leaves
 *   is gone, few others are                   │ leaves                    │ stays       │ stays `lostClusterMs` │ stays `timeLimitMs`
 *   is gone, and more than a share of the rest│ stays up to `timeLimitMs` │ stays       │ stays `lostClusterMs` │ stays `timeLimitMs`
 *
 * A terminating endpoint is never held: it has said itself that it ends, and connections sent to it would be lost. One
 * target alone is no mass. The share is of the members there were before the removals of the last `timeLimitMs` began, so
 * that many small steps are no way round it.
 */
import type { TargetGroup, TargetReason } from '@signalbox/contracts';
import { type GroupContext, isIn, isWanted, type Member } from './members.ts';

export interface Stay {
  readonly reason: TargetReason;
  readonly untilMs?: number;
  readonly sinceMs?: number;
}

export interface Departures {
  /** By place; an active target that is not wanted and not here leaves. */
  readonly stays: ReadonlyMap<string, Stay>;
  readonly membersBefore: TargetGroup['membersBefore'];
}

interface Unwanted {
  readonly terminating: readonly Member[];
  /** Held before, and free to go now. */
  readonly released: readonly Member[];
  readonly candidates: readonly Member[];
}

/** Whether something will leave for sure: what waits to be added can then go with it, at no further update. */
export function hasDepartures(members: readonly Member[], context: GroupContext): boolean {
  const { terminating, released, candidates } = unwantedOf(members, context);
  if (terminating.length + released.length > 0) return true;
  return context.facts.cluster === 'readable' && candidates.some((member) => !isHeldByGuard(member));
}

export function decideDepartures(
  members: readonly Member[],
  group: TargetGroup | undefined,
  entering: number,
  context: GroupContext,
): Departures {
  const unwanted = unwantedOf(members, context);
  if (context.facts.cluster === 'readable') {
    return guard(members.filter(isIn).length, unwanted, group, entering, context);
  }
  const held = unwanted.candidates.map((member) => [member.place, stayHeld(member, context)] as const);
  return { stays: new Map(held), membersBefore: group?.membersBefore };
}

function unwantedOf(members: readonly Member[], context: GroupContext): Unwanted {
  const leaving = members.filter((member) => isIn(member) && !isWanted(member));
  const terminating = leaving.filter((member) => member.wanted !== undefined);
  const gone = leaving.filter((member) => member.wanted === undefined);
  const released = gone.filter((member) => isReleased(member, context));
  return { terminating, released, candidates: gone.filter((member) => !released.includes(member)) };
}

function isReleased(member: Member, context: GroupContext): boolean {
  const { facts, revision } = context;
  const since = member.before?.outstanding;
  if (facts.confirmedRevision >= (since?.revision ?? revision)) return true;
  const hold = holdOf(context);
  if (hold.limitMs === 0) return true;
  if (since === undefined || hold.limitMs === undefined || member.before?.reason !== hold.reason) return false;
  return since.sinceMs + hold.limitMs <= facts.nowMs;
}

/** Why and how long targets stay that are not wanted; without a limit as long as it lasts. */
function holdOf({ facts, policy }: GroupContext): { readonly reason: TargetReason; readonly limitMs?: number } {
  const { timeLimitMs, lostClusterMs } = policy.massRemoval;
  switch (facts.cluster) {
    case 'unreachable':
      return { reason: 'cluster-unreachable' };
    case 'lost':
      return { reason: 'cluster-unreachable', limitMs: lostClusterMs };
    case 'emptied':
    case 'readable':
      return { reason: 'mass-removal-guard', limitMs: timeLimitMs };
  }
}

function isHeldByGuard(member: Member): boolean {
  return member.before?.reason === 'mass-removal-guard';
}

function stayHeld({ before }: Member, context: GroupContext): Stay {
  const { reason, limitMs } = holdOf(context);
  if (limitMs === undefined) return { reason };
  const sinceMs = (before?.reason === reason ? before.outstanding?.sinceMs : undefined) ?? context.facts.nowMs;
  return { reason, sinceMs, untilMs: sinceMs + limitMs };
}

function guard(
  active: number,
  { terminating, released, candidates }: Unwanted,
  group: TargetGroup | undefined,
  entering: number,
  context: GroupContext,
): Departures {
  const { nowMs } = context.facts;
  const { minShare, timeLimitMs } = context.policy.massRemoval;
  const running = group?.membersBefore;
  const isRunning = running !== undefined && running.sinceMs + timeLimitMs > nowMs;
  const excused = terminating.length + released.length;
  // What has run out is forgotten with the next change, not by a change of its own.
  if (!isRunning && excused + candidates.length + entering === 0) return { stays: NO_STAYS, membersBefore: running };
  const remaining = active - excused;
  const base = Math.max(isRunning ? running.count - excused : 0, remaining);
  const isLone = base - remaining + candidates.length <= 1;
  const spare = Math.max(0, remaining + entering - Math.ceil(minShare * base));
  const going = isLone || minShare === 0 ? candidates.length : Math.min(spare, candidates.length);
  const held = oldestFirst(candidates).slice(going);
  const left = remaining + entering - going;
  // A share of fewer members is less: who is held may go then, whether or not something else makes us look.
  if (held.length > 0 && isRunning) context.tally.wakeAt(running.sinceMs + timeLimitMs);
  return {
    stays: new Map(held.map((member) => [member.place, stayHeld(member, context)])),
    membersBefore: base > left ? { count: base, sinceMs: isRunning ? running.sinceMs : nowMs } : undefined,
  };
}

const NO_STAYS: ReadonlyMap<string, Stay> = new Map();

/** Who has been held the longest goes first; among equals the order of places decides. */
function oldestFirst(members: readonly Member[]): Member[] {
  const since = (member: Member): number =>
    (isHeldByGuard(member) ? member.before?.outstanding?.sinceMs : undefined) ?? Number.POSITIVE_INFINITY;
  const place = (left: Member, right: Member): number => (left.place < right.place ? -1 : 1);
  return [...members].sort((left, right) =>
    since(left) < since(right) ? -1 : since(left) > since(right) ? 1 : place(left, right),
  );
}
