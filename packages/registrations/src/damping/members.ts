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

export function membersOf(before: TargetGroup | undefined, wanted: Registration | undefined): Member[] {
  const known = new Map((before?.targets ?? []).map((target) => [placeOf(target), target]));
  const asked = new Map((wanted?.targets ?? []).map((target) => [placeOf(target), target]));
  const places = [...new Set([...known.keys(), ...asked.keys()])].sort();
  return places.map((place) => ({ place, before: known.get(place), wanted: asked.get(place) }));
}

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
