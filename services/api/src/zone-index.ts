/** All zones at a revision, to ask questions of. */
import { type RecordSet, serviceKeyText } from '@signalbox/contracts';
import { listDocuments, type Place, type Store } from '@signalbox/store';
import { ZoneIndex } from '@signalbox/zones';
import type { ApiDependencies } from './dependencies.ts';
import type { State } from './state.ts';

const CHUNK = 1_000;
export const DEFAULT_TTL_SECONDS = 30;

interface ZonesAt {
  readonly revision: number;
  readonly index: ZoneIndex;
  /** By `cluster/namespace/name`. */
  readonly revisions: ReadonlyMap<string, number>;
}

/** Making one costs as much as there are records, so the last one is kept: people ask several questions in a row. */
const lastOf = new WeakMap<Store, ZonesAt>();

export function zonesAt({ store, ttlSeconds }: ApiDependencies, state: State): ZonesAt {
  const last = lastOf.get(store);
  if (last?.revision === state.revision) return last;
  const index = new ZoneIndex({ ttlSeconds: ttlSeconds ?? DEFAULT_TTL_SECONDS });
  const revisions = new Map<string, number>();
  for (const { recordSet, revision } of recordSetsAt(store, state.revision)) {
    index.upsert(recordSet);
    revisions.set(serviceKeyText(recordSet), revision);
  }
  const clusters = state.clusters.flatMap((name) => {
    const domain = state.domain(name);
    return domain === undefined ? [] : [{ name, domain, isSynced: true }];
  });
  index.setClusters(clusters, state.revision);
  const made = { revision: state.revision, index, revisions };
  lastOf.set(store, made);
  return made;
}

function* recordSetsAt(store: Store, revision: number): Generator<{ recordSet: RecordSet; revision: number }> {
  for (let after: Place | undefined; ; ) {
    const rows = listDocuments(store, { layer: 'dns', after, revision, limit: CHUNK });
    for (const row of rows) if (row.document !== null) yield { recordSet: row.document, revision: row.revision };
    if (rows.length < CHUNK) return;
    after = rows.at(-1)?.key;
  }
}
