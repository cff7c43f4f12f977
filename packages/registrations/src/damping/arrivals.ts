/**
 * Which of the targets that the cluster wants in get in now, and what the others wait for.
 *
 *     wanted ─► awaiting-rules? ─► flapping? ─► batching? ─► rate-limited? ─► active
 *
 * An update that goes out anyway, because something leaves, takes along whoever waits in the batch. A group without
 * active members does not wait for a batch. The guard's share holds for suppression too: where much of a group flaps the
 * cause is a common one, and holding all of them down would be the outage. But no share is worth a node without rules, so
 * those are asked for first: who is let off for flapping has them.
 */
import type { GroupTarget, TargetReason } from '@signalbox/contracts';
import { heldDownUntilMs, penaltyAt } from './flaps.ts';
import { type GroupContext, isIn, isWanted, type Member } from './members.ts';

export interface Wait {
  readonly reason: TargetReason;
  readonly untilMs?: number;
}

type Outstanding = NonNullable<GroupTarget['outstanding']>;

/** By place; a target that is wanted, not in, and not here enters. */
export function decideArrivals(
  members: readonly Member[],
  hasDepartures: boolean,
  context: GroupContext,
): ReadonlyMap<string, Wait> {
  const arriving = members.filter((member) => isWanted(member) && !isIn(member));
  if (arriving.length === 0) return NO_WAITS;
  const waits = new Map<string, Wait>();
  for (const member of arriving) {
    const wait = awaitingRules(member, context) ?? flapping(member, context);
    if (wait !== undefined) waits.set(member.place, wait);
  }
  releaseFlapping(members, arriving, waits, context);
  const free = arriving.filter(({ place }) => !waits.has(place));
  const wait = waitOfBatch(free, { hasDepartures, hasMembers: members.some(isIn) }, context);
  if (wait !== undefined) for (const { place } of free) waits.set(place, wait);
  return waits;
}

const NO_WAITS: ReadonlyMap<string, Wait> = new Map();

/** Since when it has been wanted, over whatever it waited for. */
export function outstandingOf({ before }: Member, { facts, revision }: GroupContext): Outstanding {
  const isWaiting = before?.state === 'pending' || (before?.state === 'draining' && before.reason !== 'removed');
  const known = isWaiting ? before.outstanding : undefined;
  return known ?? { sinceMs: facts.nowMs, revision };
}

/** Penalties are a Pod's, where it is known which Pod has the address. */
export function isSamePod({ before, wanted }: Member): boolean {
  return before?.pod === undefined || wanted?.pod === undefined || before.pod === wanted.pod;
}

function flapping(member: Member, { facts, policy }: GroupContext): Wait | undefined {
  if (!isSamePod(member)) return undefined;
  const untilMs = heldDownUntilMs(member.before?.flaps, policy.flapping, facts.nowMs);
  return untilMs === undefined ? undefined : { reason: 'flapping', untilMs };
}

/** Only the node itself serves its node port; pods are reached without any node's rules. */
function awaitingRules(member: Member, context: GroupContext): Wait | undefined {
  const { facts, policy } = context;
  const { wanted } = member;
  if (wanted?.type !== 'node' || facts.ruleAcks.size === 0) return undefined;
  const { sinceMs, revision } = outstandingOf(member, context);
  if ((facts.ruleAcks.get(wanted.node ?? '') ?? 0) >= revision) return undefined;
  const untilMs = sinceMs + policy.awaitRulesMs;
  return untilMs > facts.nowMs ? { reason: 'awaiting-rules', untilMs } : undefined;
}

function releaseFlapping(
  members: readonly Member[],
  arriving: readonly Member[],
  waits: Map<string, Wait>,
  { facts, policy }: GroupContext,
): void {
  const wanted = members.filter(isWanted);
  const suppressed = arriving.filter(({ place }) => waits.get(place)?.reason === 'flapping');
  const needed = Math.ceil(policy.massRemoval.minShare * wanted.length) - (wanted.length - waits.size);
  if (suppressed.length === 0 || needed <= 0) return;
  const penalty = ({ before }: Member): number =>
    before?.flaps === undefined ? 0 : penaltyAt(before.flaps, policy.flapping, facts.nowMs);
  const calmestFirst = suppressed.sort((left, right) => penalty(left) - penalty(right));
  for (const { place } of calmestFirst.slice(0, needed)) waits.delete(place);
}

function waitOfBatch(
  free: readonly Member[],
  { hasDepartures, hasMembers }: { readonly hasDepartures: boolean; readonly hasMembers: boolean },
  context: GroupContext,
): Wait | undefined {
  if (free.length === 0 || hasDepartures) return undefined;
  const { facts, policy, tally } = context;
  const since = free.map((member) => outstandingOf(member, context).sinceMs);
  const untilMs = Math.min(
    Math.min(...since) + policy.additions.maxDelayMs,
    Math.max(...since) + policy.additions.windowMs,
  );
  if (hasMembers && untilMs > facts.nowMs) return { reason: 'batching', untilMs };
  if (!facts.mayUpdate) {
    tally.wantsUpdate = true;
    return { reason: 'rate-limited' };
  }
  tally.usedUpdate = true;
  return undefined;
}
