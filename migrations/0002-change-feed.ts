/** The change feed: what followers are told, in order. AUTOINCREMENT, so that a number never comes twice. */
import type { Kysely, Migration } from 'kysely';

export const changeFeed: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('changes')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .execute();
}
