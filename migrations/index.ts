/** All migrations of the store in order. A step, once released, is never edited: the next one corrects it. */
import type { Migration, MigrationProvider } from 'kysely';
import { readModel } from './0001-read-model.ts';
import { changeFeed } from './0002-change-feed.ts';
import { nodeDrift } from './0003-node-drift.ts';
import { acks } from './0004-acks.ts';
import { targetGroups } from './0005-target-groups.ts';
import { ackColumns } from './0006-ack-columns.ts';
import { countedRevisions } from './0007-counted-revisions.ts';

const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-read-model': readModel,
  '0002-change-feed': changeFeed,
  '0003-node-drift': nodeDrift,
  '0004-acks': acks,
  '0005-target-groups': targetGroups,
  '0006-ack-columns': ackColumns,
  '0007-counted-revisions': countedRevisions,
};

export const migrationProvider: MigrationProvider = {
  getMigrations: () => Promise.resolve({ ...MIGRATIONS }),
};
