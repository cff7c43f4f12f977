/** What is in the DERIVED stream, against what a fresh list of the cluster derives to. */
import { LAYERS, serviceKeyText } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import { derivedState } from '../harness/derived.ts';
import type { ExpectedCluster } from '../harness/oracle.ts';
import { type Difference, differencesByKey } from './differences.ts';

export async function compareDocuments(log: EventLog, expected: ExpectedCluster): Promise<Difference[]> {
  const { documents } = await derivedState(log);
  const found = Object.entries(documents).map(([key, { document, skipped }]) => [key, { document, skipped }] as const);
  return differencesByKey('derived', expectedDocuments(expected), new Map(found));
}

/** By `layer cluster/namespace/name`. */
function expectedDocuments({ name: cluster, services }: ExpectedCluster): Map<string, unknown> {
  const entries = services.flatMap((service) =>
    LAYERS.flatMap((layer): [string, unknown][] => {
      const { document = null, skipped } = service[layer];
      if (document === null && skipped.length === 0) return [];
      return [[`${layer} ${serviceKeyText({ ...service, cluster })}`, { document, skipped }]];
    }),
  );
  return new Map(entries);
}
