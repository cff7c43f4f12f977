/** How far the store has come in each stream of which log. */
import type { StreamName } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import { compiledQuery } from './compiled-query.ts';
import type { Store } from './store.ts';

const sequenceOf = compiledQuery((builder, stream: StreamName) =>
  builder.selectFrom('positions').select('sequence').where('stream', '=', stream),
);

/** Undefined when the stream has not been read to its end once. */
export function streamPosition(store: Store, stream: StreamName): number | undefined {
  return sequenceOf(store, stream)?.sequence;
}

const logIdOf = compiledQuery((builder, stream: StreamName) =>
  builder.selectFrom('positions').select('log_id').where('stream', '=', stream),
);

/** Identity of the log that the stream was read from; empty before it was read to its end once. */
export function streamLogId(store: Store, stream: StreamName): string {
  return logIdOf(store, stream)?.log_id ?? '';
}

export function writePosition(store: Store, position: { stream: StreamName; logId: string; sequence: number }): void {
  const { stream, logId: log_id, sequence } = position;
  store.run(
    store.builder
      .insertInto('positions')
      .values({ stream, log_id, sequence })
      .onConflict((conflict) => conflict.column('stream').doUpdateSet({ log_id, sequence })),
  );
}

/** Why what is stored cannot have come from this log; undefined when it can. */
export async function mismatchWithLog(store: Store, log: EventLog): Promise<string | undefined> {
  for (const row of store.all(store.builder.selectFrom('positions').selectAll())) {
    if (row.log_id !== log.id) return `the store holds the state of the log ${row.log_id}, this is the log ${log.id}`;
    const { lastSequence } = await log.info(row.stream);
    if (lastSequence < row.sequence) {
      return `the store is at ${row.sequence} of the ${row.stream} stream, which ends at ${lastSequence}`;
    }
  }
  return undefined;
}

/** Empties the store: everything in it can be read again from the log. */
export function clearStore(store: Store): void {
  store.transaction(() => {
    const tables = [
      'object_versions',
      'document_versions',
      'contents',
      'revisions',
      'watermarks',
      'layer_clusters',
      'positions',
      'settings',
      'source_statuses',
      'node_drift',
      'acks',
      'target_group_sets',
      'target_group_reports',
      'target_classes',
      'controller_leases',
      'changes',
    ] as const;
    for (const table of tables) store.run(store.builder.deleteFrom(table));
  });
}
