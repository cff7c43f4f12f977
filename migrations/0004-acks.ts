/** How far each consumer of a layer has come: its last word, without history. */
import type { Kysely, Migration } from 'kysely';

export const acks: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('acks')
    .addColumn('layer', 'text', (column) => column.notNull())
    .addColumn('cluster', 'text', (column) => column.notNull())
    .addColumn('consumer', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('acks_key', ['layer', 'cluster', 'consumer'])
    .execute();
}
