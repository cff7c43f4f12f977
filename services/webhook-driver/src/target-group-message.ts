/** The messages that a receiver gets. Pure: equal input gives equal bytes, so that a message sent again is the same one. */
import { createHash } from 'node:crypto';
import type { ServiceKey, TargetGroup, TargetGroupKey } from '@signalbox/contracts';

interface Progress {
  readonly index: number;
  readonly revision: number;
  /** When it was decided. */
  readonly decidedAtMs: number;
}

export function changedMessage(key: TargetGroupKey, group: TargetGroup, progress: Progress): string {
  return message('target-group.changed', key, progress, { group });
}

export function removedMessage(key: TargetGroupKey, progress: Progress): string {
  return message('target-group.removed', key, progress, {});
}

/** The same for the same state of the same log, whoever sends it and how often. */
export function messageId(logId: string, key: TargetGroupKey, index: number, isRemoval: boolean): string {
  const parts = [logId, key.loadBalancerClass, key.cluster, key.namespace, key.name, key.port, index, isRemoval];
  return `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)}`;
}

function message(type: string, key: TargetGroupKey, { index, revision, decidedAtMs }: Progress, more: object): string {
  const { cluster, namespace, name, port, loadBalancerClass } = key;
  const service: ServiceKey = { cluster, namespace, name };
  const data = { ...service, port, loadBalancerClass, index, revision, ...more };
  return JSON.stringify({ type, timestamp: new Date(decidedAtMs).toISOString(), data });
}
