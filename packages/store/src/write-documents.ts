/**
 * Documents and watermarks of the DERIVED stream into versions.
 *
 * A document counts from its own revision on, but never from before its layer's watermark: what was answered for an
 * older revision stays as it was. A tombstone has no revision; it counts from the next watermark on, like all the
 * changes that this watermark covers. So the documents valid at a watermark are exactly those that were derived for it.
 *
 * A late document (see `LogBatch`) may have replaced another that nobody has read. It counts from the last watermark on:
 * at a revision between that and its own, what is shown is newer than the revision rather than older.
 */
import {
  type ChangeData,
  type Layer,
  parseDerivedSubject,
  type ServiceKey,
  watermarkSchema,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { REMOVAL_PENDING, STILL_VALID } from './schema.ts';
import type { Store } from './store.ts';

type DocumentChange = ChangeData<'document'>;
type WatermarkChange = ChangeData<'watermark'>;
type DerivedChange =
  | { readonly event: 'document'; readonly data: DocumentChange }
  | { readonly event: 'watermark'; readonly data: WatermarkChange };

export interface DerivedWriter {
  /** Inside a transaction. Undefined when nothing changes. `isLate`: others may have been replaced before they were read. */
  apply(message: LogMessage, options?: { readonly isLate?: boolean }): DerivedChange | undefined;
  /** Removes, from the next watermark on, every document that is valid and whose subject is not among these. */
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
    apply: (message, { isLate = false } = {}) => {
      const subject = parseDerivedSubject(message.subject);
      if (subject.type === 'document') return applyDocument(statements, { ...subject, message, isLate });
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
    // The literals let SQLite see that the index of closed versions serves this query.
    removePending: sqlite.prepare<[number, string]>(
      `update document_versions set to_revision = max(from_revision, ?)
       where to_revision = ${REMOVAL_PENDING} and to_revision < ${STILL_VALID} and layer = ?`,
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
  { layer, key, message, isLate }: { layer: Layer; key: ServiceKey; message: LogMessage; isLate: boolean },
): DerivedChange | undefined {
  const latest = statements.latest.get(layer, key.cluster, key.namespace, key.name);
  const isValid = latest?.to_revision === STILL_VALID;
  const watermark = statements.watermark.get(layer)?.revision ?? 0;
  const endLatest = (at: number): unknown =>
    latest && statements.end.run(at, layer, key.cluster, key.namespace, key.name, latest.from_revision);
  if (message.data === null) {
    if (!isValid) return undefined;
    endLatest(REMOVAL_PENDING);
    return { event: 'document', data: { layer, operation: 'deleted', revision: watermark, ...key } };
  }
  const from = isLate ? watermark + 1 : revisionOf(message.data);
  const revision = Math.max(from, watermark, latest?.from_revision ?? 0);
  if (latest?.from_revision === revision) {
    endLatest(STILL_VALID);
    statements.replace.run(message.data, latest.content_id);
  } else {
    if (latest !== undefined && latest.to_revision > revision) endLatest(revision);
    const { lastInsertRowid: content } = statements.content.run(message.data);
    statements.insert.run(layer, key.cluster, key.namespace, key.name, revision, STILL_VALID, content);
  }
  return { event: 'document', data: { layer, operation: isValid ? 'updated' : 'created', revision, ...key } };
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
  // A revision never goes back, even when a worker that starts again says less for a moment.
  const revision = Math.max(watermark.revision, statements.watermark.get(layer)?.revision ?? 0);
  statements.setWatermark.run(layer, revision, skippedServices);
  statements.removePending.run(revision, layer);
  setClusters(statements, { layer, revision, clusters: JSON.stringify(watermark.clusters) });
  return {
    event: 'watermark',
    data: { layer, revision, clusters: Object.keys(watermark.clusters), skippedServices },
  };
}

function setClusters(statements: Statements, next: { layer: Layer; revision: number; clusters: string }): void {
  const current = statements.clusters.get(next.layer);
  if (current?.clusters === next.clusters) return;
  if (current !== undefined) statements.closeClusters.run(next.revision, current.id);
  statements.insertClusters.run(next.layer, next.revision, STILL_VALID, next.clusters);
}

function removeOthers(statements: Statements, subjects: ReadonlySet<string>): void {
  for (const row of statements.valid.all(STILL_VALID)) {
    if (subjects.has(subjectKey(row.layer, row))) continue;
    statements.end.run(REMOVAL_PENDING, row.layer, row.cluster, row.namespace, row.name, row.from_revision);
  }
}
