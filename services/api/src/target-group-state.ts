/** Whether target groups can be told, and which answer it would be. */
import { SignalboxError } from '@signalbox/contracts';
import { streamLogId, targetsIndex, targetsRevision } from '@signalbox/store';
import type { ApiDependencies } from './dependencies.ts';

/**
 * Throws `unavailable` until the log is read to its end and registrations have been decided on: an empty list would
 * otherwise be taken for "remove everything".
 */
export function requireDecided({ store, projector }: Pick<ApiDependencies, 'store' | 'projector'>): number {
  const revision = projector.isCaughtUp() ? targetsRevision(store) : undefined;
  if (revision !== undefined) return revision;
  throw new SignalboxError('unavailable', 'target groups have not been decided on yet; keep what is programmed');
}

/** The same in every replica that has read the same. */
export function targetsTag({ store }: Pick<ApiDependencies, 'store'>, loadBalancerClass?: string): string {
  return `"${streamLogId(store, 'targets')}-${targetsIndex(store, loadBalancerClass)}"`;
}

/** Whether an If-None-Match header names the tag (RFC 9110 §13.1.2). */
export function hasTag(header: string | undefined, tag: string): boolean {
  const known = (header ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''));
  return known.includes(tag) || known.includes('*');
}
