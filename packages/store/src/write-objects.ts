/** Objects into versions and revisions. The JSON text is stored as it came: parsing 3 KB costs as much as writing it. */
import {
  type ChangeOperation,
  type ObjectKey,
  parseObjectSubject,
  partitionOfSubject,
  type Revision,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { STILL_VALID } from './schema.ts';
import type { Store } from './store.ts';

interface VersionRow {
  readonly from_revision: number;
  readonly to_revision: number;
}

export interface ObjectWriter {
  /** Inside a transaction. Undefined when the store holds it already, and for a tombstone of what it never had. */
  apply(message: LogMessage): Revision | undefined;
  /** Ends every object that is valid and whose subject is not among these. */
  removeOthers(subjects: ReadonlySet<string>, atRevision: number): void;
}

export function objectWriter(store: Store): ObjectWriter {
  const statements = prepare(store);
  return {
    apply: (message) => apply(statements, message),
    removeOthers: (subjects, atRevision) => {
      for (const row of statements.valid.all(STILL_VALID)) {
        if (subjects.has(subjectKey(row, row.partition))) continue;
        const { kind, cluster, namespace, name, partition, from_revision } = row;
        statements.close.run(atRevision, kind, cluster, namespace, name, partition, from_revision);
      }
    },
  };
}

/** What tells two subjects apart, for `removeOthers`. */
export function objectSubjectKey(subject: string): string {
  return subjectKey(parseObjectSubject(subject), partitionOfSubject(subject));
}

function subjectKey(key: ObjectKey, partition: string): string {
  return [key.kind, key.cluster, key.namespace, key.name, partition].join('\n');
}

type Statements = ReturnType<typeof prepare>;

function prepare({ sqlite }: Store) {
  const isKey = 'kind = ? and cluster = ? and namespace = ? and name = ? and partition = ?';
  return {
    latest: sqlite.prepare<[string, string, string, string, string], VersionRow>(
      `select from_revision, to_revision from object_versions where ${isKey} order by from_revision desc limit 1`,
    ),
    content: sqlite.prepare<[string]>('insert into contents (data) values (?)'),
    insert: sqlite.prepare<[string, string, string, string, string, number, number, number | bigint]>(
      `insert into object_versions (kind, cluster, namespace, name, partition, from_revision, to_revision, content_id)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    close: sqlite.prepare<[number, string, string, string, string, string, number]>(
      `update object_versions set to_revision = ? where ${isKey} and from_revision = ?`,
    ),
    revision: sqlite.prepare<[number, number, string, string, string, string, string]>(
      `insert or replace into revisions (revision, at_ms, operation, kind, cluster, namespace, name)
       values (?, ?, ?, ?, ?, ?, ?)`,
    ),
    valid: sqlite.prepare<[number], ObjectKey & { partition: string; from_revision: number }>(
      'select kind, cluster, namespace, name, partition, from_revision from object_versions where to_revision = ?',
    ),
  };
}

function apply(statements: Statements, message: LogMessage): Revision | undefined {
  const key = parseObjectSubject(message.subject);
  const partition = partitionOfSubject(message.subject);
  const { kind, cluster, namespace, name } = key;
  const latest = statements.latest.get(kind, cluster, namespace, name, partition);
  const isValid = latest?.to_revision === STILL_VALID;
  if (latest !== undefined && latest.from_revision >= message.sequence) return undefined;
  if (message.data === null && !isValid) return undefined;
  const { sequence, data } = message;
  if (isValid) statements.close.run(sequence, kind, cluster, namespace, name, partition, latest.from_revision);
  if (data !== null) {
    const { lastInsertRowid: content } = statements.content.run(data);
    statements.insert.run(kind, cluster, namespace, name, partition, sequence, STILL_VALID, content);
  }
  const operation = operationOf(message, isValid);
  statements.revision.run(sequence, message.storedAtMs, operation, kind, cluster, namespace, name);
  return { revision: sequence, at: new Date(message.storedAtMs).toISOString(), operation, ...key };
}

function operationOf(message: LogMessage, existed: boolean): ChangeOperation {
  if (message.data === null) return 'deleted';
  return existed ? 'updated' : 'created';
}
