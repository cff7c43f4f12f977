/** One place of a target group: what the load balancer has there, and what the cluster wants there. */
import type { GroupTarget, Registration, Target, TargetGroup } from '@signalbox/contracts';
import type { DampingPolicy } from './damping-policy.ts';
import type { Tally } from './tally.ts';

export interface Member {
  readonly place: string;
  readonly before: GroupTarget | undefined;
  readonly wanted: Target | undefined;
}

export interface DampingFacts {
  readonly nowMs: number;
  /**
   * readable      what it says is so
   * unreachable   its source cannot read it now: nobody leaves on its last word, except who said so itself (terminating)
   * lost          it is gone from the log, and the Service with it: the last known targets are kept for long
   * emptied       it is there, but most of its Services went at once: they are kept like any other mass removal
   */
  readonly cluster: 'readable' | 'unreachable' | 'lost' | 'emptied';
  readonly isPaused: boolean;
  /** Removals of registrations up to this revision are meant; 0: none. */
  readonly confirmedRevision: number;
  /** Revision of the rules that each node of the cluster has acknowledged; empty where no node does. */
  readonly ruleAcks: ReadonlyMap<string, number>;
  /** The class has an update to give. Removals do not ask for it. */
  readonly mayUpdate: boolean;
}

/** What all steps of one group go by. */
export interface GroupContext {
  readonly cluster: string;
  /** Of the registrations that are looked at. */
  readonly revision: number;
  readonly policy: DampingPolicy;
  readonly facts: DampingFacts;
  readonly tally: Tally;
}

/** In order of place, which is the order that both have nearly always: sorting is then one pass. */
export function membersOf(before: TargetGroup | undefined, wanted: Registration | undefined): Member[] {
  const members = new Map<string, Mutable<Member>>();
  for (const target of before?.targets ?? []) {
    const place = placeOf(target);
    members.set(place, { place, before: target, wanted: undefined });
  }
  for (const target of wanted?.targets ?? []) {
    const place = placeOf(target);
    const known = members.get(place);
    if (known === undefined) members.set(place, { place, before: undefined, wanted: target });
    else known.wanted = target;
  }
  return [...members.values()].sort((left, right) => (left.place < right.place ? -1 : 1));
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export function isIn(member: Member): boolean {
  return member.before?.state === 'active';
}

/** The cluster wants it to get traffic. */
export function isWanted(member: Member): boolean {
  return member.wanted?.state === 'active';
}

function placeOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}
