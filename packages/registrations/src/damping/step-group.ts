/** One target group, one step: what its targets are after it. */
import type { GroupTarget, Registration, TargetGroup } from '@signalbox/contracts';
import { decideArrivals } from './arrivals.ts';
import { decideDepartures, hasDepartures } from './departures.ts';
import { withoutForgotten } from './gone.ts';
import { type GroupContext, isIn, isWanted, type Member, membersOf } from './members.ts';
import { pausedGroup } from './paused-group.ts';
import { unchangedOr } from './unchanged.ts';
import { drainingTarget, droppedTarget, isOverdue, leavingTarget, type Verdicts } from './unwanted-target.ts';
import { arrivingTarget, keptTarget } from './wanted-target.ts';

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
  const verdicts = { waits, stays, isClearing };
  const next = members.flatMap((member) => nextOf(member, verdicts, context) ?? []);
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

function nextOf(member: Member, verdicts: Verdicts, context: GroupContext): GroupTarget | undefined {
  const { before, wanted } = member;
  if (wanted !== undefined && isWanted(member)) {
    if (isIn(member)) return keptTarget(wanted, member, context);
    return arrivingTarget(wanted, member, verdicts.waits.get(member.place), context);
  }
  switch (before?.state) {
    case 'active':
      return leavingTarget(before, member, verdicts, context);
    case 'draining':
      return drainingTarget(before, wanted, verdicts, context);
    case 'pending':
      return droppedTarget(before, wanted, context);
    case 'gone':
    case undefined:
      return before;
  }
}

function heldOf(targets: readonly GroupTarget[]): TargetGroup['held'] {
  const held = targets.filter(({ reason }) => reason === 'mass-removal-guard');
  if (held.length === 0) return undefined;
  return { targets: held.length, untilMs: Math.max(...held.map(({ untilMs }) => untilMs ?? 0)) };
}
