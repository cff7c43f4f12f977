/** How the sources are doing: the last word of each, without history. */
import { parseSourceStatusSubject, type SourceStatus, sourceStatusSchema } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

/** Inside a transaction. Undefined when nothing changes, and for a source that is gone. */
export function writeStatus(store: Store, message: LogMessage): SourceStatus | undefined {
  const { cluster, kind } = parseSourceStatusSubject(message.subject);
  const same = store.builder.selectFrom('source_statuses').where('cluster', '=', cluster).where('kind', '=', kind);
  if (message.data === null) {
    store.run(store.builder.deleteFrom('source_statuses').where('cluster', '=', cluster).where('kind', '=', kind));
    return undefined;
  }
  if (store.first(same.select('data'))?.data === message.data) return undefined;
  const status = sourceStatusSchema.parse(JSON.parse(message.data));
  const row = { cluster, kind, data: message.data };
  store.run(
    store.builder
      .insertInto('source_statuses')
      .values(row)
      .onConflict((conflict) => conflict.columns(['cluster', 'kind']).doUpdateSet({ data: row.data })),
  );
  return status;
}

export function statusSubjectKey(subject: string): string {
  const { cluster, kind } = parseSourceStatusSubject(subject);
  return `${cluster}\n${kind}`;
}

export function removeOtherStatuses(store: Store, kept: ReadonlySet<string>): void {
  for (const { cluster, kind } of store.all(store.builder.selectFrom('source_statuses').select(['cluster', 'kind']))) {
    if (kept.has(`${cluster}\n${kind}`)) continue;
    store.run(store.builder.deleteFrom('source_statuses').where('cluster', '=', cluster).where('kind', '=', kind));
  }
}
