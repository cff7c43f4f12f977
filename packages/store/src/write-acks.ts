/** How far consumers have come: the last word of each, without history. */
import { ackSchema, parseAckSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

/** Inside a transaction. The subject decides whose word it is. */
export function writeAck(store: Store, message: LogMessage): void {
  const key = parseAckSubject(message.subject);
  if (message.data === null) {
    removeAck(store, key);
    return;
  }
  const data = JSON.stringify({ ...ackSchema.parse(JSON.parse(message.data)), ...key });
  store.run(
    store.builder
      .insertInto('acks')
      .values({ ...key, data })
      .onConflict((conflict) => conflict.columns(['layer', 'cluster', 'consumer']).doUpdateSet({ data })),
  );
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
