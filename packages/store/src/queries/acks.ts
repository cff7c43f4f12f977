/** How far consumers of a layer have come, now. */
import type { Ack, Layer } from '@signalbox/contracts';
import { compiledQuery } from '../compiled-query.ts';
import type { Store } from '../store.ts';

const ackByKey = compiledQuery((builder, layer: Layer, cluster: string, consumer: string) =>
  builder
    .selectFrom('acks')
    .select('data')
    .where('layer', '=', layer)
    .where('cluster', '=', cluster)
    .where('consumer', '=', consumer),
);

export function ackOf(
  store: Store,
  { layer, cluster, consumer }: { layer: Layer; cluster: string; consumer: string },
): Ack | undefined {
  const row = ackByKey(store, layer, cluster, consumer);
  return row === undefined ? undefined : (JSON.parse(row.data) as Ack);
}
