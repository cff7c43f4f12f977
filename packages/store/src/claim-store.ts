/**
 * One projector writes a store, and remembers where it is; a second one would put back what the first has gone past.
 *
 * The claim is SQLite's exclusive lock on an empty file beside the store: the kernel drops it with the process, however that
 * ends, and whoever only reads the store is not in its way.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { SignalboxError } from '@signalbox/contracts';
import Database from 'better-sqlite3';
import { openingError } from './store.ts';

/** Returns what gives it up. Throws `conflict` when another process, or another part of this one, has it. */
export function claimStore(path: string): () => void {
  if (path === ':memory:') return () => {};
  let lock: Database.Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    lock = new Database(`${path}.lock`, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    if (!(error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY')) throw openingError(error, path);
    throw new SignalboxError('conflict', `another API writes the store ${path}; each needs a file of its own`);
  }
  const claimed = lock;
  return () => void claimed.close();
}
