/** Target groups as load balancers are asked for them now, without history. */
import {
  type ChangeData,
  parseTargetsSubject,
  type TargetGroupSetKey,
  targetGroupSetSchema,
  targetsWatermarkSchema,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { targetsRevision, writeSetting } from './settings.ts';
import type { Store } from './store.ts';

export type TargetsChange =
  | { readonly event: 'target-groups'; readonly data: ChangeData<'target-groups'> }
  | { readonly event: 'targets-watermark'; readonly data: ChangeData<'targets-watermark'> };

/** Inside a transaction. Undefined when nothing changes for readers. */
export function writeTargets(store: Store, message: LogMessage): TargetsChange | undefined {
  const key = parseTargetsSubject(message.subject);
  return key === undefined ? writeWatermark(store, message) : writeSet(store, key, message);
}

function writeWatermark(store: Store, { data }: LogMessage): TargetsChange | undefined {
  if (data === null) return undefined;
  const { revision } = targetsWatermarkSchema.parse(JSON.parse(data));
  if (revision === targetsRevision(store)) return undefined;
  writeSetting(store, 'targets-revision', String(revision));
  return { event: 'targets-watermark', data: { revision } };
}

function writeSet(store: Store, key: TargetGroupSetKey, message: LogMessage): TargetsChange | undefined {
  const { sequence, data } = message;
  if (data !== null) targetGroupSetSchema.parse(JSON.parse(data));
  const existed = store.first(
    store.builder
      .selectFrom('target_group_sets')
      .select('sequence')
      .where((row) => row.and(columnsOf(key))),
  );
  raiseClassIndex(store, key.loadBalancerClass, sequence);
  if (data === null) removeSet(store, key);
  else putSet(store, key, { sequence, data });
  if (data === null && existed === undefined) return undefined;
  const operation = data === null ? 'deleted' : existed === undefined ? 'created' : 'updated';
  return { event: 'target-groups', data: { operation, index: sequence, ...key } };
}

function putSet(store: Store, key: TargetGroupSetKey, content: { sequence: number; data: string }): void {
  store.run(
    store.builder
      .insertInto('target_group_sets')
      .values({ ...columnsOf(key), ...content })
      .onConflict((conflict) =>
        conflict.columns(['load_balancer_class', 'cluster', 'namespace', 'name']).doUpdateSet(content),
      ),
  );
}

function raiseClassIndex(store: Store, loadBalancerClass: string, sequence: number): void {
  store.run(
    store.builder
      .insertInto('target_classes')
      .values({ load_balancer_class: loadBalancerClass, sequence })
      .onConflict((conflict) =>
        conflict
          .column('load_balancer_class')
          .doUpdateSet({ sequence })
          .where('target_classes.sequence', '<', sequence),
      ),
  );
}

/** Undefined for the watermark. */
export function targetsSubjectKey(subject: string): string | undefined {
  const key = parseTargetsSubject(subject);
  return key && keyText(key);
}

/** What the log no longer holds went at some time up to `sequence`, so that is when its class changed. */
export function removeOtherTargets(store: Store, kept: ReadonlySet<string>, sequence: number): void {
  const query = store.builder
    .selectFrom('target_group_sets')
    .select(['load_balancer_class', 'cluster', 'namespace', 'name']);
  for (const { load_balancer_class: loadBalancerClass, ...service } of store.all(query)) {
    const key = { loadBalancerClass, ...service };
    if (kept.has(keyText(key))) continue;
    removeSet(store, key);
    raiseClassIndex(store, loadBalancerClass, sequence);
  }
}

function removeSet(store: Store, key: TargetGroupSetKey): void {
  store.run(store.builder.deleteFrom('target_group_sets').where((row) => row.and(columnsOf(key))));
}

function columnsOf({ loadBalancerClass, cluster, namespace, name }: TargetGroupSetKey) {
  return { load_balancer_class: loadBalancerClass, cluster, namespace, name };
}

function keyText({ loadBalancerClass, cluster, namespace, name }: TargetGroupSetKey): string {
  return [loadBalancerClass, cluster, namespace, name].join('\n');
}
