/** What becomes of a target that the cluster wants in. */
import type { GroupTarget, Target } from '@signalbox/contracts';
import { isSamePod, outstandingOf, type Wait } from './arrivals.ts';
import { describedTarget } from './described-target.ts';
import { heldDownUntilMs } from './flaps.ts';
import type { GroupContext, Member } from './members.ts';

/** It is in. */
export function keptTarget(wanted: Target, member: Member, context: GroupContext): GroupTarget {
  const reason = context.facts.cluster === 'readable' ? 'ready' : 'cluster-unreachable';
  return describedTarget(wanted, member, { state: 'active', reason }, context);
}

/** It is not: it enters, or waits. What still drains goes on with that, whatever it waits for. */
export function arrivingTarget(
  wanted: Target,
  member: Member,
  wait: Wait | undefined,
  context: GroupContext,
): GroupTarget {
  if (wait === undefined) {
    countEntry(wanted, member, context);
    return keptTarget(wanted, member, context);
  }
  const { facts, policy, tally } = context;
  const { before } = member;
  if (before?.reason !== wait.reason) countWait(wait, context);
  if (wait.untilMs !== undefined) tally.wakeAt(wait.untilMs);
  const drainedMs = before?.state === 'draining' ? before.sinceMs + policy.drainMs : 0;
  if (drainedMs > facts.nowMs) tally.wakeAt(drainedMs);
  const state = drainedMs > facts.nowMs ? 'draining' : 'pending';
  return describedTarget(wanted, member, { state, ...wait, outstanding: outstandingOf(member, context) }, context);
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
