/** Subjects of groups: replicas that share a layer, or take turns. */
import type { Layer } from './derived.ts';
import { SignalboxError } from './errors.ts';
import { decodeToken, encodeToken } from './subjects.ts';

/** Replicas of one worker share its layer. */
export function layerGroup(layer: Layer): string {
  return layer;
}

/** Watchers of one cluster: one of them is active. */
export function watchGroup(cluster: string): string {
  return `watch.${encodeToken(cluster)}`;
}

/** Replicas of the load-balancer worker: one of them decides on target groups and addresses. */
export const TARGETS_GROUP = 'targets';

export function groupSubject(group: string): string {
  return `leases.${group}.group`;
}

export function memberSubject(group: string, member: string): string {
  return `leases.${group}.member.${encodeToken(member)}`;
}

export function progressSubject(group: string, member: string): string {
  return `leases.${group}.progress.${encodeToken(member)}`;
}

export function leasesOfGroup(group: string): string {
  return `leases.${group}.>`;
}

export interface LeaseSubject {
  readonly type: 'group' | 'member' | 'progress';
  /** Empty for the group's own record. */
  readonly member: string;
}

/** Of a subject below `leasesOfGroup(group)`. */
export function parseLeaseSubject(group: string, subject: string): LeaseSubject {
  const [type, member, ...rest] = subject.slice(`leases.${group}.`.length).split('.');
  const isKnown = type === 'group' ? member === undefined : type === 'member' || type === 'progress';
  if (!isKnown || rest.length > 0) throw new SignalboxError('invalid', `not the subject of a lease: ${subject}`);
  return { type: type as LeaseSubject['type'], member: member === undefined ? '' : decodeToken(member) };
}
