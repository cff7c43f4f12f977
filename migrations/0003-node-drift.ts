/** What each node's kernel does that it should not: the last report of each node. */
import type { Kysely, Migration } from 'kysely';

export const nodeDrift: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('node_drift')
    .addColumn('cluster', 'text', (column) => column.notNull())
    .addColumn('node', 'text', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('node_drift_key', ['cluster', 'node'])
    .execute();
}
