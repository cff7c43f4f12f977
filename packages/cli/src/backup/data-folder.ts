/** The data folder of a stopped `signalbox up`, to and from an archive: the event log, and the store with its history. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isSignalboxError, SignalboxError } from '@signalbox/contracts';
import { copySqliteEventLog, openSqliteEventLog } from '@signalbox/event-log';
import { copyStore, openStore } from '@signalbox/store';

export const EVENT_LOG = 'events.db';
export const STORE = 'store.db';

/** Returns the names of the files that are in `to` now. */
export async function copyDataFolder(dataDir: string, to: string): Promise<string[]> {
  if (!existsSync(join(dataDir, EVENT_LOG))) {
    throw new SignalboxError('invalid', `there is no event log in ${dataDir}: nothing to back up`);
  }
  await copySqliteEventLog(join(dataDir, EVENT_LOG), join(to, EVENT_LOG)).catch(explainUse);
  if (!existsSync(join(dataDir, STORE))) return [EVENT_LOG];
  await copyStore(join(dataDir, STORE), join(to, STORE));
  return [EVENT_LOG, STORE];
}

/**
 * Puts unpacked files in their place, a folder that is there. Everything is copied, and so checked, beside the old files before the first of them
 * goes; the event log comes last, so that a restore which was cut off leaves no log without its store.
 */
export async function restoreDataFolder(
  from: string,
  dataDir: string,
  { files, isForced }: { files: readonly string[]; isForced: boolean },
): Promise<void> {
  await requireFree(dataDir, isForced);
  const incoming = (name: string): string => join(dataDir, `${name}.incoming`);
  try {
    for (const name of files) await remove(incoming(name));
    if (files.includes(STORE)) {
      await copyStore(join(from, STORE), incoming(STORE));
      // One of a newer program is refused here, while what it would replace is still there.
      (await openStore({ path: incoming(STORE) })).close();
    }
    await copySqliteEventLog(join(from, EVENT_LOG), incoming(EVENT_LOG));
    for (const name of [STORE, EVENT_LOG]) await remove(join(dataDir, name));
    if (files.includes(STORE)) await rename(incoming(STORE), join(dataDir, STORE));
    await rename(incoming(EVENT_LOG), join(dataDir, EVENT_LOG));
  } finally {
    for (const name of files) await remove(incoming(name));
  }
}

async function requireFree(dataDir: string, isForced: boolean): Promise<void> {
  const taken = [EVENT_LOG, STORE].filter((name) => existsSync(join(dataDir, name)));
  if (taken.length === 0) return;
  if (!isForced) {
    const what = `${dataDir} already holds ${taken.join(' and ')}`;
    throw new SignalboxError('conflict', `${what}; --force replaces what is there`);
  }
  try {
    await openSqliteEventLog({ path: join(dataDir, EVENT_LOG) }).close();
  } catch (error) {
    // A damaged log is what a restore is for; one that is in use is not.
    if (isSignalboxError(error, 'unavailable')) explainUse(error);
  }
}

function explainUse(error: unknown): never {
  if (!isSignalboxError(error, 'unavailable')) throw error;
  throw new SignalboxError('unavailable', `${error.message}: stop "signalbox up" first, or use --api`, {
    cause: error,
  });
}

async function remove(path: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
}
