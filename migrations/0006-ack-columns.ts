/**
 * Revision and error of an acknowledgement as columns: ten thousand are counted without reading each. The table begins
 * empty, because the projector reads the status stream anew whenever it starts.
 */
import type { Kysely, Migration } from 'kysely';

export const ackColumns: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropTable('acks').execute();
  await db.schema
    .createTable('acks')
    .addColumn('layer', 'text', (column) => column.notNull())
    .addColumn('cluster', 'text', (column) => column.notNull())
    .addColumn('consumer', 'text', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('error', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('acks_key', ['layer', 'cluster', 'consumer'])
    .execute();
}
