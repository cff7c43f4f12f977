/**
 * A group that is paused: nothing changes; targets that would, say so. What was outstanding begins anew when the pause
 * ends, so that a long pause does not end with a removal that the guard has waited for already.
 */
import type { GroupTarget, Registration, TargetGroup } from '@signalbox/contracts';
import { describedTarget } from './described-target.ts';
import { type GroupContext, isIn, isWanted, type Member, membersOf } from './members.ts';
import { unchangedOr } from './unchanged.ts';
import { goneTarget } from './unwanted-target.ts';

export function pausedGroup(before: TargetGroup, wanted: Registration | undefined, context: GroupContext): TargetGroup {
  const targets = membersOf(before, wanted).flatMap((member) => pausedTarget(member, context) ?? []);
  const { held: _held, ...kept } = before;
  return unchangedOr(before, { ...kept, targets });
}

function pausedTarget(member: Member, context: GroupContext): GroupTarget | undefined {
  const { before, wanted } = member;
  const isAsked = wanted !== undefined && isWanted(member);
  if (before === undefined || before.state === 'gone') {
    return isAsked ? describedTarget(wanted, member, { state: 'pending', reason: 'paused' }, context) : before;
  }
  if (isIn(member) === isAsked) return before.state === 'pending' ? goneTarget(before, context) : before;
  const { outstanding: _outstanding, untilMs: _until, ...kept } = before;
  return unchangedOr(before, { ...kept, reason: 'paused' });
}
