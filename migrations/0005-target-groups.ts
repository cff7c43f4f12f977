/**
 * What load balancers are asked to do, and what they say: target groups by class and Service, the index of each class (its
 * last change, also of what is gone by now), the last report on each group, and the lease of each class.
 */
import type { Kysely, Migration } from 'kysely';

export const targetGroups: Migration = { up };

const SERVICE = ['load_balancer_class', 'cluster', 'namespace', 'name'] as const;

async function up(db: Kysely<unknown>): Promise<void> {
  await createKeyed(db, 'target_group_sets', SERVICE);
  await createKeyed(db, 'target_group_reports', [...SERVICE, 'port']);
  await createKeyed(db, 'controller_leases', ['load_balancer_class']);
  await db.schema
    .createTable('target_classes')
    .addColumn('load_balancer_class', 'text', (column) => column.primaryKey())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .execute();
}

/** `sequence` is that of the message in its stream. */
async function createKeyed(db: Kysely<unknown>, name: string, key: readonly string[]): Promise<void> {
  let table = db.schema.createTable(name);
  for (const column of key) table = table.addColumn(column, 'text', (definition) => definition.notNull());
  await table
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('data', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint(`${name}_key`, key as never)
    .execute();
}
