/** A target that the cluster wants, as the cluster describes it now. */
import type { GroupTarget, Target } from '@signalbox/contracts';
import { isSamePod } from './arrivals.ts';
import { heldDownUntilMs } from './flaps.ts';
import type { GroupContext, Member } from './members.ts';
import { unchangedOr } from './unchanged.ts';

export type Condition = Pick<GroupTarget, 'state' | 'reason' | 'untilMs' | 'outstanding'>;

/** `sinceMs` is kept while the state is. */
export function describedTarget(
  wanted: Target,
  member: Member,
  condition: Condition,
  context: GroupContext,
): GroupTarget {
  const { before } = member;
  const { cluster, facts } = context;
  const { state, reason, untilMs, outstanding } = condition;
  const flaps = flapsAfter(member, state, context);
  if (before?.cluster === cluster && before.flaps === flaps && isSame(before, wanted, condition)) return before;
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
    sinceMs: before?.state === state ? before.sinceMs : facts.nowMs,
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(outstanding && { outstanding }),
    ...(flaps && { flaps }),
  };
  return unchangedOr(before, next);
}

/** Penalties stay with the Pod; who enters after its time is held down no longer. */
function flapsAfter(member: Member, state: GroupTarget['state'], { facts, policy }: GroupContext) {
  const { before } = member;
  const flaps = isSamePod(member) ? before?.flaps : undefined;
  const isEntering = state === 'active' && before?.state !== 'active';
  if (!isEntering || flaps?.isHeldDown !== true) return flaps;
  const isOver = heldDownUntilMs(flaps, policy.flapping, facts.nowMs) === undefined;
  return isOver ? { ...flaps, isHeldDown: false } : flaps;
}

/** Nearly always, of all targets of a large group but one; the general comparison would be most of what a step costs. */
function isSame(before: GroupTarget, wanted: Target, condition: Condition): boolean {
  return (
    before.state === condition.state &&
    before.reason === condition.reason &&
    before.untilMs === condition.untilMs &&
    before.outstanding === condition.outstanding &&
    before.type === wanted.type &&
    before.address === wanted.address &&
    before.port === wanted.port &&
    before.node === wanted.node &&
    before.zone === wanted.zone &&
    before.pod === wanted.pod &&
    before.weight === wanted.weight
  );
}
