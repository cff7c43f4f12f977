/** What load balancers say of target groups: the last report on each, without history. */
import {
  type ChangeData,
  parseTargetGroupReportSubject,
  type TargetGroupKey,
  type TargetGroupReport,
  targetGroupReportSchema,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

const KEY = ['load_balancer_class', 'cluster', 'namespace', 'name', 'port'] as const;

/** Inside a transaction. Undefined when it says the same as before, but for its time. */
export function writeGroupReport(store: Store, message: LogMessage): ChangeData<'report'> | undefined {
  const key = parseTargetGroupReportSubject(message.subject);
  if (message.data === null) {
    remove(store, key);
    return undefined;
  }
  const report = targetGroupReportSchema.parse(JSON.parse(message.data));
  const before = store.first(rowOf(store, key));
  const content = { sequence: message.sequence, data: message.data };
  store.run(
    store.builder
      .insertInto('target_group_reports')
      .values({ ...columnsOf(key), ...content })
      .onConflict((conflict) => conflict.columns(KEY).doUpdateSet(content)),
  );
  if (before !== undefined && contentOf(JSON.parse(before.data)) === contentOf(report)) return undefined;
  const { controller, index, error } = report;
  return { ...key, controller, index, error };
}

export function groupReportSubjectKey(subject: string): string {
  return keyText(columnsOf(parseTargetGroupReportSubject(subject)));
}

export function removeOtherGroupReports(store: Store, kept: ReadonlySet<string>): void {
  for (const row of store.all(store.builder.selectFrom('target_group_reports').select(KEY))) {
    if (kept.has(keyText(row))) continue;
    remove(store, { loadBalancerClass: row.load_balancer_class, ...row });
  }
}

function rowOf(store: Store, key: TargetGroupKey) {
  return store.builder
    .selectFrom('target_group_reports')
    .select('data')
    .where((row) => row.and(columnsOf(key)));
}

function remove(store: Store, key: TargetGroupKey): void {
  store.run(store.builder.deleteFrom('target_group_reports').where((row) => row.and(columnsOf(key))));
}

function contentOf({ reportedAtMs: _reportedAtMs, ...content }: TargetGroupReport): string {
  return JSON.stringify(content);
}

function columnsOf({ loadBalancerClass, cluster, namespace, name, port }: TargetGroupKey) {
  return { load_balancer_class: loadBalancerClass, cluster, namespace, name, port };
}

function keyText(row: ReturnType<typeof columnsOf>): string {
  return KEY.map((column) => row[column]).join('\n');
}
