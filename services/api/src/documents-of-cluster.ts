/** All documents of one cluster in one layer: what whole rulesets and zones are made of. */
import type { Layer, LayerDocuments } from '@signalbox/contracts';
import { listDocuments, type Place, type Store } from '@signalbox/store';

const CHUNK = 1_000;

export function documentsOfCluster<L extends Layer>(
  store: Store,
  { layer, cluster, revision }: { layer: L; cluster: string; revision: number },
): LayerDocuments[L][] {
  const documents: LayerDocuments[L][] = [];
  for (let after: Place | undefined; ; ) {
    const rows = listDocuments(store, { layer, cluster, after, revision, limit: CHUNK });
    for (const { document } of rows) if (document !== null) documents.push(document);
    if (rows.length < CHUNK) return documents;
    after = rows.at(-1)?.key;
  }
}
