/** Copies a store's file as it is now, page by page; one that a process writes to as well. */
import { errorText, SignalboxError } from '@signalbox/contracts';
import Database from 'better-sqlite3';

/** Throws `invalid` when the file is missing, damaged, or no database. `to` is a new file. */
export async function copyStore(path: string, to: string): Promise<void> {
  let sqlite: Database.Database | undefined;
  try {
    sqlite = new Database(path, { readonly: true, fileMustExist: true });
    const state = sqlite.pragma('quick_check', { simple: true });
    if (state !== 'ok') throw new Error(String(state));
    await sqlite.backup(to);
  } catch (cause) {
    throw new SignalboxError('invalid', `the store ${path} cannot be copied to ${to}: ${errorText(cause)}`, { cause });
  } finally {
    sqlite?.close();
  }
}
