/** How far consumers have come: the last word of each, without history. */
import { ackSchema, parseAckSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

/** Returns what writes one, inside a transaction. The subject decides whose word it is. */
export function ackWriter(store: Store): (message: LogMessage) => void {
  // Every node speaks after every change: building the query would cost more than running it.
  const upsert = store.sqlite.prepare<[string, string, string, number, string, string]>(
    `insert into acks (layer, cluster, consumer, revision, error, data) values (?, ?, ?, ?, ?, ?)
     on conflict do update set revision = excluded.revision, error = excluded.error, data = excluded.data`,
  );
  return (message) => {
    const key = parseAckSubject(message.subject);
    if (message.data === null) {
      removeAck(store, key);
      return;
    }
    const ack = { ...ackSchema.parse(JSON.parse(message.data)), ...key };
    upsert.run(key.layer, key.cluster, key.consumer, ack.revision, ack.error, JSON.stringify(ack));
  };
}

export function ackSubjectKey(subject: string): string {
  return keyText(parseAckSubject(subject));
}

export function removeOtherAcks(store: Store, kept: ReadonlySet<string>): void {
  for (const key of store.all(store.builder.selectFrom('acks').select(['layer', 'cluster', 'consumer']))) {
    if (!kept.has(keyText(key))) removeAck(store, key);
  }
}

type AckKey = ReturnType<typeof parseAckSubject>;

function removeAck(store: Store, { layer, cluster, consumer }: AckKey): void {
  store.run(
    store.builder
      .deleteFrom('acks')
      .where('layer', '=', layer)
      .where('cluster', '=', cluster)
      .where('consumer', '=', consumer),
  );
}

function keyText({ layer, cluster, consumer }: AckKey): string {
  return [layer, cluster, consumer].join('\n');
}
