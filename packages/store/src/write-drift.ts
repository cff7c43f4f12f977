/** What nodes' kernels differ in: the last report of each node, without history. */
import { driftReportSchema, parseDriftSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

/** Inside a transaction. */
export function writeDrift(store: Store, message: LogMessage): void {
  const { cluster, node } = parseDriftSubject(message.subject);
  if (message.data === null) {
    remove(store, cluster, node);
    return;
  }
  driftReportSchema.parse(JSON.parse(message.data));
  const row = { cluster, node, data: message.data };
  store.run(
    store.builder
      .insertInto('node_drift')
      .values(row)
      .onConflict((conflict) => conflict.columns(['cluster', 'node']).doUpdateSet({ data: row.data })),
  );
}

/** By subject: what the log no longer holds goes. */
export function removeOtherDrift(store: Store, kept: ReadonlySet<string>): void {
  for (const { cluster, node } of store.all(store.builder.selectFrom('node_drift').select(['cluster', 'node']))) {
    if (!kept.has(driftKey(cluster, node))) remove(store, cluster, node);
  }
}

export function driftSubjectKey(subject: string): string {
  const { cluster, node } = parseDriftSubject(subject);
  return driftKey(cluster, node);
}

function driftKey(cluster: string, node: string): string {
  return `${cluster}\n${node}`;
}

function remove(store: Store, cluster: string, node: string): void {
  store.run(store.builder.deleteFrom('node_drift').where('cluster', '=', cluster).where('node', '=', node));
}
