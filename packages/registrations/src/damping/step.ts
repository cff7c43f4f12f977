/**
 * The damping of one Service's target groups: a state machine whose whole state is the document it publishes, so that a
 * restart goes on from what it finds. Pure; time comes in with the facts.
 *
 * Equal inputs give equal steps. A step that changes nothing returns the very object it was given. Repeating a step, or
 * taking it at another time as long as no deadline lies between, changes nothing.
 *
 *   registrations of the Service │ cluster readable │ unreachable │ lost, emptied
 *   ─────────────────────────────┼──────────────────┼─────────────┼─────────────────────────────────────────────────────
 *   there                        │ followed         │ followed    │ (does not happen)
 *   gone                         │ set withdrawn    │ withdrawn   │ last known targets, until confirmed or too long ago
 */
import { createHash } from 'node:crypto';
import type { GroupTarget, RegistrationSet, TargetGroup, TargetGroupSet } from '@signalbox/contracts';
import type { DampingPolicy } from './damping-policy.ts';
import type { DampingFacts, GroupContext } from './members.ts';
import { stepGroup } from './step-group.ts';
import { type Decision, Tally } from './tally.ts';

export type { DampingFacts } from './members.ts';

/** What the cluster wants: the registrations of one Service, all of one class. */
export interface WantedGroups {
  readonly registrations: RegistrationSet;
  readonly revision: number;
  readonly changedAtMs: number;
}

export interface DampingInput {
  /** As it was published last. */
  readonly before: TargetGroupSet | undefined;
  readonly wanted: WantedGroups | undefined;
  /** Up to which everything is known: that of a removal of the whole Service, which has no registration to say it. */
  readonly revision: number;
  readonly policy: DampingPolicy;
  readonly facts: DampingFacts;
}

export interface DampingStep {
  /** Undefined: withdrawn, or never there. */
  readonly set: TargetGroupSet | undefined;
  /** `note`: only what is told about targets has changed, nothing that a load balancer programs. */
  readonly change: 'none' | 'note' | 'update';
  /** When something changes by time alone. */
  readonly nextDeadlineMs: number | undefined;
  /** Something waits for an update of its class. */
  readonly wantsUpdate: boolean;
  /** The update that was offered has been taken. */
  readonly usedUpdate: boolean;
  readonly decisions: Partial<Record<Decision, number>>;
}

export function stepTargetGroups(input: DampingInput): DampingStep {
  const { before, wanted, facts } = input;
  const tally = new Tally(facts.nowMs);
  const groups = groupsOf(input, tally);
  const set = groups === undefined ? undefined : setOf(before, wanted, groups, facts.nowMs);
  const { wantsUpdate, usedUpdate, nextDeadlineMs, decisions } = tally;
  return { set, change: changeOf(before, set), nextDeadlineMs, wantsUpdate, usedUpdate, decisions };
}

function groupsOf(input: DampingInput, tally: Tally): TargetGroup[] | undefined {
  const { before, wanted, policy, facts } = input;
  const cluster = wanted?.registrations.cluster ?? before?.cluster ?? '';
  const context: GroupContext = { cluster, revision: wanted?.revision ?? input.revision, policy, facts, tally };
  const asked = wanted?.registrations.registrations;
  if (facts.isPaused) {
    return before?.groups.flatMap(
      (group) =>
        stepGroup(
          group,
          asked?.find(({ id }) => id === group.id),
          context,
        ) ?? [],
    );
  }
  if (asked !== undefined) {
    const known = new Map((before?.groups ?? []).map((group) => [group.id, group]));
    return asked.flatMap((each) => stepGroup(known.get(each.id), each, context) ?? []);
  }
  if (facts.cluster === 'readable' || facts.cluster === 'unreachable') return undefined;
  const kept = before?.groups.flatMap((group) => stepGroup(group, undefined, context) ?? []) ?? [];
  const isUsed = kept.some(({ targets }) => targets.some(({ state }) => state === 'active' || state === 'draining'));
  return isUsed ? kept : undefined;
}

function setOf(
  before: TargetGroupSet | undefined,
  wanted: WantedGroups | undefined,
  groups: TargetGroup[],
  nowMs: number,
): TargetGroupSet | undefined {
  const isSame = before?.groups.length === groups.length && groups.every((group, i) => group === before.groups[i]);
  if (isSame) return before;
  const { cluster, namespace, name } = wanted?.registrations ?? before ?? { cluster: '', namespace: '', name: '' };
  return {
    cluster,
    namespace,
    name,
    revision: wanted?.revision ?? before?.revision ?? 0,
    changedAtMs: wanted?.changedAtMs ?? before?.changedAtMs ?? 0,
    decidedAtMs: nowMs,
    programHash: programHashOf(groups),
    groups,
  };
}

function changeOf(before: TargetGroupSet | undefined, set: TargetGroupSet | undefined): DampingStep['change'] {
  if (before === set) return 'none';
  return before?.programHash === set?.programHash ? 'note' : 'update';
}

function programHashOf(groups: readonly TargetGroup[]): string {
  const program = groups.map(({ targets, held: _held, membersBefore: _before, ...attributes }) => {
    const programmed = targets.filter(({ state }) => state === 'active' || state === 'draining');
    return [attributes, programmed.map(programOf)];
  });
  return createHash('sha1').update(JSON.stringify(program)).digest('base64url');
}

/** One text, not a list: made for every target of a group that has changed. JSON keeps free text apart from what follows. */
function programOf({ type, address, port, weight, zone, state }: GroupTarget): string {
  return `${type} ${address} ${port} ${weight} ${state}${zone === undefined ? '' : ` ${zone}`}`;
}
