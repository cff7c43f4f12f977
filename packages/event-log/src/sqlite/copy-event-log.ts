/** Copies a SQLite event log that no process has open, page by page, as it is. */
import { SignalboxError } from '@signalbox/contracts';
import Database from 'better-sqlite3';
import { openDatabase, wrapSqliteError } from './database.ts';

/**
 * Throws `unavailable` when a process has the log open, `limit` when there is no room for the copy, `invalid` when it is damaged or no event log of this format.
 * `to` is a new file.
 */
export async function copySqliteEventLog(path: string, to: string): Promise<void> {
  const db = openDatabase(path, { mustExist: true });
  try {
    if (db.pragma('quick_check', { simple: true }) !== 'ok') {
      throw new SignalboxError('invalid', `event log ${path} is damaged`);
    }
    await db.backup(to);
  } catch (error) {
    // Only the copy grows.
    const isFull = error instanceof Database.SqliteError && error.code === 'SQLITE_FULL';
    throw wrapSqliteError(error, isFull ? to : path);
  } finally {
    db.close();
  }
}
