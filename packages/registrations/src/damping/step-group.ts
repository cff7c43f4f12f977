/** One target group, one step: what its targets are after it. */
import type { GroupTarget, Registration, Target, TargetGroup } from '@signalbox/contracts';
import { decideArrivals, isSamePod, outstandingOf, type Wait } from './arrivals.ts';
import { decideDepartures, hasDepartures, type Stay } from './departures.ts';
import { flapsAfterDeparture, heldDownUntilMs } from './flaps.ts';
import { withoutForgotten } from './gone.ts';
import { type GroupContext, isIn, isWanted, type Member, membersOf } from './members.ts';
import { unchangedOr } from './unchanged.ts';

/** `wanted` is undefined where the cluster was lost: the group is then kept as it is known. */
export function stepGroup(
  before: TargetGroup | undefined,
  wanted: Registration | undefined,
  context: GroupContext,
): TargetGroup | undefined {
  if (context.facts.isPaused) return before && pausedGroup(before, wanted, context);
  const frontend = wanted ?? before;
  if (frontend === undefined) return undefined;
  const members = membersOf(before, wanted);
  const waits = decideArrivals(members, hasDepartures(members, context), context);
  const entering = members.filter((member) => isWanted(member) && !isIn(member) && !waits.has(member.place)).length;
  const { stays, membersBefore } = decideDepartures(members, before, entering, context);
  const leaving = members.filter((member) => isIn(member) && !isWanted(member) && !stays.has(member.place)).length;
  const isClearing = entering + leaving > 0 || members.some((member) => isOverdue(member, context));
  const next = members.flatMap((member) => nextOf(member, { waits, stays, isClearing }, context) ?? []);
  const targets = withoutForgotten(next, before?.targets ?? [], context);
  const { targets: _targets, held: _held, membersBefore: _before, ...attributes } = frontend as TargetGroup;
  const held = heldOf(targets);
  return unchangedOr(before, {
    ...attributes,
    targets,
    ...(held && { held }),
    ...(membersBefore && { membersBefore }),
  });
}

/**
 * Nothing changes; targets that would, say so. What was outstanding begins anew when the pause ends, so that a long pause
 * does not end with a removal that the guard has waited for already.
 */
function pausedGroup(before: TargetGroup, wanted: Registration | undefined, context: GroupContext): TargetGroup {
  const targets = membersOf(before, wanted).flatMap((member) => pausedTarget(member, context) ?? []);
  const { held: _held, ...kept } = before;
  return unchangedOr(before, { ...kept, targets });
}

function pausedTarget(member: Member, context: GroupContext): GroupTarget | undefined {
  const { before, wanted } = member;
  const isAsked = wanted !== undefined && isWanted(member);
  if (before === undefined || before.state === 'gone') {
    return isAsked ? targetOf(wanted, member, { state: 'pending', reason: 'paused' }, context) : before;
  }
  if (isIn(member) === isAsked) return before.state === 'pending' ? goneOf(before, context) : before;
  const { outstanding: _outstanding, untilMs: _until, ...kept } = before;
  return unchangedOr(before, { ...kept, reason: 'paused' });
}

interface Verdicts {
  readonly waits: ReadonlyMap<string, Wait>;
  readonly stays: ReadonlyMap<string, Stay>;
  /** An update goes out anyway, or has to: whoever has drained can leave with it. */
  readonly isClearing: boolean;
}

function nextOf(member: Member, verdicts: Verdicts, context: GroupContext): GroupTarget | undefined {
  const { before, wanted } = member;
  if (wanted !== undefined && isWanted(member)) {
    if (isIn(member)) return targetOf(wanted, member, { state: 'active', ...readyNow(context) }, context);
    return arrivingOf(wanted, member, verdicts.waits.get(member.place), context);
  }
  if (before === undefined) return undefined;
  switch (before.state) {
    case 'active':
      return departingOf(before, member, verdicts, context);
    case 'draining':
      return drainingOf(wanted === undefined ? flappedOf(before, context) : before, wanted, verdicts, context);
    case 'pending':
      return goneOf(wanted === undefined ? flappedOf(before, context) : before, context);
    case 'gone':
      return before;
  }
}

function readyNow({ facts }: GroupContext): Pick<GroupTarget, 'reason'> {
  return { reason: facts.cluster === 'readable' ? 'ready' : 'cluster-unreachable' };
}

function arrivingOf(wanted: Target, member: Member, wait: Wait | undefined, context: GroupContext): GroupTarget {
  const { facts, policy, tally } = context;
  const { before } = member;
  if (wait === undefined) {
    countEntry(wanted, member, context);
    return targetOf(wanted, member, { state: 'active', ...readyNow(context) }, context);
  }
  if (before?.reason !== wait.reason) countWait(wait, context);
  if (wait.untilMs !== undefined) tally.wakeAt(wait.untilMs);
  const drainedMs = before?.state === 'draining' ? before.sinceMs + policy.drainMs : 0;
  if (drainedMs > facts.nowMs) tally.wakeAt(drainedMs);
  const state = drainedMs > facts.nowMs ? 'draining' : 'pending';
  return targetOf(wanted, member, { state, ...wait, outstanding: outstandingOf(member, context) }, context);
}

function countEntry(wanted: Target, member: Member, { facts, policy, tally }: GroupContext): void {
  tally.count('added');
  const { before } = member;
  if (before?.reason === 'awaiting-rules') {
    const acknowledged = facts.ruleAcks.get(wanted.node ?? '') ?? 0;
    if (acknowledged < (before.outstanding?.revision ?? 0)) tally.count('rules-overdue');
  }
  if (isSamePod(member) && heldDownUntilMs(before?.flaps, policy.flapping, facts.nowMs) !== undefined) {
    tally.count('unsuppressed');
  }
}

function countWait({ reason }: Wait, { tally }: GroupContext): void {
  if (reason === 'batching') tally.count('batched');
  if (reason === 'flapping') tally.count('suppressed');
  if (reason === 'awaiting-rules') tally.count('rules-awaited');
  if (reason === 'rate-limited') tally.count('rate-limited');
}

function departingOf(
  before: GroupTarget,
  { place, wanted }: Member,
  verdicts: Verdicts,
  context: GroupContext,
): GroupTarget {
  const { facts, tally } = context;
  const stay = verdicts.stays.get(place);
  if (stay !== undefined) return stayingOf(before, stay, context);
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
  return drainingOf(withPenalty(left, context), undefined, verdicts, context);
}

/** One that waited to get in, and left before: that counts as a departure like any other, or nobody would stay held down. */
function flappedOf(before: GroupTarget, context: GroupContext): GroupTarget {
  return before.outstanding === undefined || before.reason === 'removed' ? before : withPenalty(before, context);
}

function withPenalty({ flaps: before, ...target }: GroupTarget, { facts, policy }: GroupContext): GroupTarget {
  const flaps = flapsAfterDeparture(before, policy.flapping, facts.nowMs);
  return flaps === undefined ? target : { ...target, flaps };
}

function stayingOf(before: GroupTarget, { reason, untilMs, sinceMs }: Stay, context: GroupContext): GroupTarget {
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

/**
 * Nobody is in a hurry to take out what gets no connections any more: it goes with the next update, or after the longest
 * time that additions wait.
 */
function drainingOf(
  before: GroupTarget,
  wanted: Target | undefined,
  { isClearing }: Pick<Verdicts, 'isClearing'>,
  context: GroupContext,
): GroupTarget {
  const { untilMs: _until, outstanding: _outstanding, ...kept } = before;
  if (wanted !== undefined) return unchangedOr(before, { ...kept, reason: 'terminating' });
  const { outstanding, drainedMs, untilMs } = drainOf(before, context);
  if (isClearing && drainedMs <= context.facts.nowMs) return goneOf(before, context);
  context.tally.wakeAt(untilMs);
  return unchangedOr(before, { ...kept, reason: 'removed', untilMs, outstanding });
}

/** From when on a target that is not wanted may be gone, and when it has to. */
function drainOf({ reason, outstanding, sinceMs }: GroupTarget, { facts, policy, revision }: GroupContext) {
  const known = reason === 'removed' ? outstanding : undefined;
  const unwanted = known ?? { sinceMs: facts.nowMs, revision };
  const drainedMs = Math.max(sinceMs + policy.drainMs, unwanted.sinceMs);
  return { outstanding: unwanted, drainedMs, untilMs: drainedMs + policy.additions.maxDelayMs };
}

function isOverdue({ before, wanted }: Member, context: GroupContext): boolean {
  if (before?.state !== 'draining' || wanted !== undefined) return false;
  return drainOf(before, context).untilMs <= context.facts.nowMs;
}

function goneOf(before: GroupTarget, { facts, policy }: GroupContext): GroupTarget {
  const { untilMs: _until, outstanding: _outstanding, ...kept } = before;
  const heldUntilMs = heldDownUntilMs(before.flaps, policy.flapping, facts.nowMs);
  const why =
    heldUntilMs === undefined ? { reason: 'removed' as const } : { reason: 'flapping' as const, untilMs: heldUntilMs };
  return { ...kept, state: 'gone', ...why, sinceMs: facts.nowMs };
}

type Condition = Pick<GroupTarget, 'state' | 'reason' | 'untilMs' | 'outstanding'>;

/** The target as the cluster describes it now. `sinceMs` is kept while the state is. */
function targetOf(wanted: Target, member: Member, condition: Condition, { cluster, facts, policy }: GroupContext) {
  const { before } = member;
  const { state, reason, untilMs, outstanding } = condition;
  const sinceMs = before?.state === state ? before.sinceMs : facts.nowMs;
  const flaps = isSamePod(member) ? before?.flaps : undefined;
  const isReleased = state === 'active' && before?.state !== 'active' && flaps?.isHeldDown === true;
  const carried = isReleased && heldDownUntilMs(flaps, policy.flapping, facts.nowMs) === undefined;
  const { type, address, port, node, zone, pod, weight } = wanted;
  const next: GroupTarget = {
    type,
    address,
    port,
    cluster,
    ...(node === undefined ? {} : { node }),
    ...(zone === undefined ? {} : { zone }),
    ...(pod === undefined ? {} : { pod }),
    weight,
    state,
    reason,
    sinceMs,
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(outstanding && { outstanding }),
    ...(flaps && { flaps: carried ? { ...flaps, isHeldDown: false } : flaps }),
  };
  return unchangedOr(before, next);
}

function heldOf(targets: readonly GroupTarget[]): TargetGroup['held'] {
  const held = targets.filter(({ reason }) => reason === 'mass-removal-guard');
  if (held.length === 0) return undefined;
  return { targets: held.length, untilMs: Math.max(...held.map(({ untilMs }) => untilMs ?? 0)) };
}
