/** What a layer's partitions hold in the log, before their new owner changes them. */
import { derivedOfLayer, derivedOfPartition, type Layer } from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';

/** More partitions than this are read in one pass over the layer. */
const MAX_SINGLE_READS = 4;

/** The last message of each subject, tombstones among them. */
export async function readPartitions(
  log: EventLog,
  layer: Layer,
  partitions: readonly string[],
): Promise<LogMessage[]> {
  const filters = partitions.map((partition) => derivedOfPartition(layer, partition));
  // A snapshot that others write to meanwhile may have two of one subject.
  const last = new Map<string, LogMessage>();
  for (const filter of filters.length > MAX_SINGLE_READS ? [derivedOfLayer(layer)] : filters) {
    for await (const batch of log.follow('derived', { from: 'snapshot', filter })) {
      for (const message of batch.messages) last.set(message.subject, message);
      if (batch.isCaughtUp) break;
    }
  }
  const wanted = new Set(partitions);
  return [...last.values()].filter(({ subject }) => wanted.has(partitionInSubject(subject)));
}

/** Of a document's subject: `derived.<layer>.<partition>.…`. */
export function partitionInSubject(subject: string): string {
  return subject.split('.', 3)[2] ?? '';
}
