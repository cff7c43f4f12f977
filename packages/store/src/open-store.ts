/** Opens the store's file, in the way that writes fast, and brings it to the latest schema. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { migrationProvider } from '@signalbox/migrations';
import Database from 'better-sqlite3';
import { Migrator } from 'kysely';
import { openingError, Store, storeError } from './store.ts';

export interface StoreOptions {
  /** File, made if missing with its folder; or `:memory:`. */
  readonly path: string;
}

/**
 * Throws a SignalboxError that names the file when it is damaged, of a newer program, or cannot be opened. Deleting the
 * file is always a way out, because everything in it comes from the event log.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const sqlite = openFile(options.path);
  const store = new Store(options.path, sqlite);
  try {
    await migrate(store);
    return store;
  } catch (error) {
    store.close();
    throw storeError(error, options.path);
  }
}

function openFile(path: string): Database.Database {
  let sqlite: Database.Database | undefined;
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    sqlite = new Database(path);
    sqlite.pragma('busy_timeout = 5000');
    // Takes effect in a new file only. Documents of some kilobytes then need fewer pages, and fewer writes.
    sqlite.pragma('page_size = 8192');
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = NORMAL');
    // Checkpoints copy each changed page once: the rarer they are, the fewer pages are copied. 10,000 pages = 80 MB of WAL.
    sqlite.pragma('wal_autocheckpoint = 4000');
    sqlite.pragma('journal_size_limit = 134217728');
    // 16 MiB, and no mapping of the file: both count as memory of the process, and the system caches the file anyway.
    sqlite.pragma('cache_size = -16384');
    sqlite.pragma('mmap_size = 0');
    return sqlite;
  } catch (error) {
    sqlite?.close();
    throw openingError(error, path);
  }
}

async function migrate(store: Store): Promise<void> {
  const migrator = new Migrator({ db: store.builder, provider: migrationProvider });
  await refuseNewer(store);
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const known = storeError(error, store.path);
    if (known !== error) throw known;
    throw new SignalboxError('internal', `cannot bring the store ${store.path} up to date: ${errorText(error)}`, {
      cause: error,
    });
  }
}

async function refuseNewer(store: Store): Promise<void> {
  const hasHistory = store.sqlite.prepare(`select 1 from sqlite_schema where name = 'kysely_migration'`).get();
  if (hasHistory === undefined) return;
  const known = Object.keys(await migrationProvider.getMigrations());
  const applied = store.sqlite.prepare<[], { name: string }>('select name from kysely_migration order by name').all();
  const newer = applied.map((row) => row.name).filter((name) => !known.includes(name));
  if (newer.length === 0) return;
  throw new SignalboxError(
    'conflict',
    `the store ${store.path} was written by a newer Signalbox (its schema is at ${newer.at(-1)}, this program knows ${known.at(-1)}); run the newer program, or delete the file: it is rebuilt from the event log`,
  );
}
