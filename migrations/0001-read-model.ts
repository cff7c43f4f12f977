/**
 * Objects and documents as versions, each valid over the revisions [from_revision, to_revision).
 *
 * 9007199254740991 in `to_revision` means "still valid", one less "removed, from the layer's next watermark on".
 *
 * The JSON texts are in a table of their own, which is only appended to; versions are small rows that live in their
 * index. So a change dirties one page at a random place, that of its key; with key, validity and text in one row it
 * would dirty three. The index of closed versions is what pruning walks; it grows at its right end.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const readModel: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('contents')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('data', 'text', (column) => column.notNull())
    .execute();
  await createVersions(db, 'object_versions', ['kind', 'cluster', 'namespace', 'name', 'partition']);
  await createVersions(db, 'document_versions', ['layer', 'cluster', 'namespace', 'name']);
  await createRevisions(db);
  await createLayers(db);
  await createProjection(db);
}

async function createVersions(db: Kysely<unknown>, table: string, key: readonly string[]): Promise<void> {
  const columns = key.map((name) => sql`${sql.ref(name)} text not null`);
  await sql`create table ${sql.table(table)} (
    ${sql.join(columns)},
    from_revision integer not null,
    to_revision integer not null,
    content_id integer not null references contents (id),
    primary key (${sql.join(key.map((name) => sql.ref(name)))}, from_revision)
  ) without rowid`.execute(db);
  await sql`create index ${sql.ref(`${table}_closed`)} on ${sql.table(table)} (to_revision)
    where to_revision < 9007199254740991`.execute(db);
}

async function createRevisions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('revisions')
    .addColumn('revision', 'integer', (column) => column.primaryKey())
    .addColumn('at_ms', 'integer', (column) => column.notNull())
    .addColumn('operation', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('cluster', 'text', (column) => column.notNull())
    .addColumn('namespace', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .execute();
}

/** The latest watermark of each layer, and which clusters the layer had synced over which revisions. */
async function createLayers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('watermarks')
    .addColumn('layer', 'text', (column) => column.primaryKey())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('skipped_services', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('layer_clusters')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('layer', 'text', (column) => column.notNull())
    .addColumn('from_revision', 'integer', (column) => column.notNull())
    .addColumn('to_revision', 'integer', (column) => column.notNull())
    .addColumn('clusters', 'text', (column) => column.notNull())
    .execute();
}

/** What the projector knows of the log, and the sources' own view of themselves. */
async function createProjection(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('positions')
    .addColumn('stream', 'text', (column) => column.primaryKey())
    .addColumn('log_id', 'text', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('settings')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('source_statuses')
    .addColumn('cluster', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('source_statuses_key', ['cluster', 'kind'])
    .execute();
}
