/**
 * Documents and watermarks of the DERIVED stream into versions.
 *
 * What comes after a watermark, documents and tombstones, counts from the first revision after that watermark on. So what
 * was answered for a revision stays as it was, and at each later one everything up to it is in: a layer derives several
 * changes at once and tells the newest, another layer's watermark may end among them, and then what is shown may be newer
 * than the revision, but nothing is older. Where each change is derived by itself, it counts from its own revision.
 *
 * A document that is not newer than the watermark is a correction: it counts from the watermark on.
 */
import {
  type ChangeData,
  type Layer,
  parseDerivedSubject,
  type ServiceKey,
  watermarkSchema,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { STILL_VALID } from './schema.ts';
import type { Store } from './store.ts';

type DocumentChange = ChangeData<'document'>;
type WatermarkChange = ChangeData<'watermark'>;
type DerivedChange =
  | { readonly event: 'document'; readonly data: DocumentChange }
  | { readonly event: 'watermark'; readonly data: WatermarkChange };

export interface DerivedWriter {
  /** Inside a transaction. Undefined when nothing changes. */
  apply(message: LogMessage): DerivedChange | undefined;
  /** Removes, from the first revision after the watermark on, every valid document whose subject is not among these. */
  removeOthers(subjects: ReadonlySet<string>): void;
}

interface DocumentRow {
  readonly from_revision: number;
  readonly to_revision: number;
  readonly content_id: number;
}

export function derivedWriter(store: Store): DerivedWriter {
  const statements = prepare(store);
  return {
    apply: (message) => {
      const subject = parseDerivedSubject(message.subject);
      if (subject.type === 'document') return applyDocument(statements, { ...subject, message });
      return message.data === null ? undefined : applyWatermark(statements, message.data);
    },
    removeOthers: (subjects) => removeOthers(statements, subjects),
  };
}

export function documentSubjectKey(subject: string): string | undefined {
  const parsed = parseDerivedSubject(subject);
  return parsed.type === 'document' ? subjectKey(parsed.layer, parsed.key) : undefined;
}

function subjectKey(layer: Layer, key: ServiceKey): string {
  return [layer, key.cluster, key.namespace, key.name].join('\n');
}

type Statements = ReturnType<typeof prepare>;

function prepare({ sqlite }: Store) {
  const isKey = 'layer = ? and cluster = ? and namespace = ? and name = ?';
  return {
    latest: sqlite.prepare<[string, string, string, string], DocumentRow>(
      `select from_revision, to_revision, content_id from document_versions
       where ${isKey} order by from_revision desc limit 1`,
    ),
    content: sqlite.prepare<[string]>('insert into contents (data) values (?)'),
    insert: sqlite.prepare<[string, string, string, string, number, number, number | bigint]>(
      `insert into document_versions (layer, cluster, namespace, name, from_revision, to_revision, content_id)
       values (?, ?, ?, ?, ?, ?, ?)`,
    ),
    replace: sqlite.prepare<[string, number]>('update contents set data = ? where id = ?'),
    end: sqlite.prepare<[number, string, string, string, string, number]>(
      `update document_versions set to_revision = ? where ${isKey} and from_revision = ?`,
    ),
    valid: sqlite.prepare<[number], ServiceKey & { layer: Layer; from_revision: number }>(
      'select layer, cluster, namespace, name, from_revision from document_versions where to_revision = ?',
    ),
    watermark: sqlite.prepare<[string], { revision: number }>('select revision from watermarks where layer = ?'),
    setWatermark: sqlite.prepare<[string, number, number]>(
      'insert or replace into watermarks (layer, revision, skipped_services) values (?, ?, ?)',
    ),
    clusters: sqlite.prepare<[string], { id: number; from_revision: number; clusters: string }>(
      `select id, from_revision, clusters from layer_clusters where layer = ? and to_revision = ${STILL_VALID}`,
    ),
    closeClusters: sqlite.prepare<[number, number]>('update layer_clusters set to_revision = ? where id = ?'),
    insertClusters: sqlite.prepare<[string, number, number, string]>(
      'insert into layer_clusters (layer, from_revision, to_revision, clusters) values (?, ?, ?, ?)',
    ),
  };
}

function applyDocument(
  statements: Statements,
  { layer, key, message }: { layer: Layer; key: ServiceKey; message: LogMessage },
): DerivedChange | undefined {
  const latest = statements.latest.get(layer, key.cluster, key.namespace, key.name);
  const isValid = latest?.to_revision === STILL_VALID;
  const watermark = watermarkOf(statements, layer);
  const endLatest = (at: number): unknown =>
    latest && statements.end.run(at, layer, key.cluster, key.namespace, key.name, latest.from_revision);
  if (message.data === null) {
    if (!isValid) return undefined;
    endLatest(watermark + 1);
    return { event: 'document', data: { layer, operation: 'deleted', revision: watermark, ...key } };
  }
  const revision = revisionOf(message.data);
  const from = Math.max(Math.min(revision, watermark + 1), watermark, latest?.from_revision ?? 0);
  if (latest?.from_revision === from) {
    endLatest(STILL_VALID);
    statements.replace.run(message.data, latest.content_id);
  } else {
    if (latest !== undefined && latest.to_revision > from) endLatest(from);
    const { lastInsertRowid: content } = statements.content.run(message.data);
    statements.insert.run(layer, key.cluster, key.namespace, key.name, from, STILL_VALID, content);
  }
  return {
    event: 'document',
    data: { layer, operation: isValid ? 'updated' : 'created', revision: Math.max(revision, watermark), ...key },
  };
}

/** Workers write the revision first, which saves parsing the document; any other order is read the slow way. */
function revisionOf(data: string): number {
  const first = /^\{"revision":(\d+),/.exec(data)?.[1];
  const revision: unknown = first === undefined ? (JSON.parse(data) as { revision?: unknown }).revision : Number(first);
  if (typeof revision !== 'number' || !Number.isSafeInteger(revision) || revision < 0) {
    throw new SyntaxError('a derived message without a revision');
  }
  return revision;
}

function applyWatermark(statements: Statements, data: string): DerivedChange {
  const watermark = watermarkSchema.parse(JSON.parse(data));
  const { layer, skippedServices } = watermark;
  const before = watermarkOf(statements, layer);
  // A revision never goes back, even when a worker that starts again says less for a moment.
  const revision = Math.max(watermark.revision, before);
  statements.setWatermark.run(layer, revision, skippedServices);
  // Like documents: else those of a new cluster would count from before it.
  const from = Math.min(revision, before + 1);
  setClusters(statements, { layer, from, clusters: JSON.stringify(watermark.clusters) });
  return {
    event: 'watermark',
    data: { layer, revision, clusters: Object.keys(watermark.clusters), skippedServices },
  };
}

function watermarkOf(statements: Statements, layer: Layer): number {
  return statements.watermark.get(layer)?.revision ?? 0;
}

function setClusters(statements: Statements, next: { layer: Layer; from: number; clusters: string }): void {
  const current = statements.clusters.get(next.layer);
  if (current?.clusters === next.clusters) return;
  if (current !== undefined) statements.closeClusters.run(next.from, current.id);
  statements.insertClusters.run(next.layer, next.from, STILL_VALID, next.clusters);
}

function removeOthers(statements: Statements, subjects: ReadonlySet<string>): void {
  for (const row of statements.valid.all(STILL_VALID)) {
    if (subjects.has(subjectKey(row.layer, row))) continue;
    const end = watermarkOf(statements, row.layer) + 1;
    statements.end.run(end, row.layer, row.cluster, row.namespace, row.name, row.from_revision);
  }
}
