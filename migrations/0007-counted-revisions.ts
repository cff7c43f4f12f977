/**
 * An object may count from a revision before the one at which it came: then its own is in a column beside. Documents whose
 * removal was to wait for a watermark are gone from the first revision after the last watermark on.
 */
import { type Kysely, type Migration, sql } from 'kysely';

export const countedRevisions: Migration = { up };

async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('object_versions').addColumn('content_revision', 'integer').execute();
  await sql`update document_versions set to_revision = 1 + coalesce(
      (select revision from watermarks where watermarks.layer = document_versions.layer), 0)
    where to_revision = 9007199254740990`.execute(db);
}
