/**
 * Objects into versions and revisions. The JSON text is stored as it came: parsing 3 KB costs as much as writing it.
 *
 * The log forgets what is replaced before it is read. So an object counts from the first revision after all that was read
 * before it: between that and its own another may have been, and at each revision everything up to it has to be in. What is
 * read one by one counts from its own.
 */
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
  /** At which its content came. */
  readonly revision: number;
  readonly content_id: number;
  readonly to_revision: number;
}

export interface ObjectWriter {
  /**
   * Inside a transaction. All up to `readTo` was read before. Undefined when the store holds the message already, and for a
   * tombstone of what it never had.
   */
  apply(message: LogMessage, readTo: number): Revision | undefined;
  /** Ends every object that is valid and whose subject is not among these. */
  removeOthers(subjects: ReadonlySet<string>, atRevision: number): void;
}

export function objectWriter(store: Store): ObjectWriter {
  const statements = prepare(store);
  return {
    apply: (message, readTo) => apply(statements, message, readTo),
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
      `select from_revision, to_revision, coalesce(content_revision, from_revision) as revision, content_id
       from object_versions where ${isKey} order by from_revision desc limit 1`,
    ),
    content: sqlite.prepare<[string]>('insert into contents (data) values (?)'),
    insert: sqlite.prepare<[string, string, string, string, string, number, number, number, number | bigint]>(
      `insert or replace into object_versions
       (kind, cluster, namespace, name, partition, from_revision, content_revision, to_revision, content_id)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    forget: sqlite.prepare<[number]>('delete from contents where id = ?'),
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

function apply(statements: Statements, message: LogMessage, readTo: number): Revision | undefined {
  const key = parseObjectSubject(message.subject);
  const partition = partitionOfSubject(message.subject);
  const { kind, cluster, namespace, name } = key;
  const latest = statements.latest.get(kind, cluster, namespace, name, partition);
  const isValid = latest?.to_revision === STILL_VALID;
  if (latest !== undefined && latest.revision >= message.sequence) return undefined;
  if (message.data === null && !isValid) return undefined;
  const { sequence, data } = message;
  const from = Math.min(sequence, readTo + 1);
  if (isValid) statements.close.run(from, kind, cluster, namespace, name, partition, latest.from_revision);
  if (data !== null) {
    const { lastInsertRowid: content } = statements.content.run(data);
    statements.insert.run(kind, cluster, namespace, name, partition, from, sequence, STILL_VALID, content);
    // What would be valid over no revision was replaced by that; only now nothing refers to its content any more.
    if (latest?.from_revision === from) statements.forget.run(latest.content_id);
  }
  const operation = operationOf(message, isValid);
  statements.revision.run(sequence, message.storedAtMs, operation, kind, cluster, namespace, name);
  return { revision: sequence, at: new Date(message.storedAtMs).toISOString(), operation, ...key };
}

function operationOf(message: LogMessage, existed: boolean): ChangeOperation {
  if (message.data === null) return 'deleted';
  return existed ? 'updated' : 'created';
}
