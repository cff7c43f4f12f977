/** A backup of intents as a file: unpacked, checked, read. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BackupIntents, backupIntentsSchema, errorText, SignalboxError } from '@signalbox/contracts';
import { readArchive } from './archive.ts';

export const INTENTS = 'intents.json';

/** Throws `invalid` when the file is no backup, or one of a data folder. */
export async function readIntentsArchive(path: string): Promise<BackupIntents> {
  return await inTemporaryFolder(async (folder) => {
    const { contents } = await readArchive(path, folder);
    if (contents === 'intents') return await readUnpackedIntents(folder, path);
    throw new SignalboxError('invalid', `${path} holds a data folder, not intents: back those up with --api`);
  });
}

/** `path` is the archive that was unpacked, for errors. */
export async function readUnpackedIntents(folder: string, path: string): Promise<BackupIntents> {
  try {
    return backupIntentsSchema.parse(JSON.parse(await readFile(join(folder, INTENTS), 'utf8')));
  } catch (cause) {
    throw new SignalboxError('invalid', `the intents in ${path} cannot be read: ${errorText(cause)}`, { cause });
  }
}

/** Below `parent`, which has to have the room: where what is made there goes in the end. */
export async function inTemporaryFolder<Result>(
  work: (folder: string) => Promise<Result>,
  parent = tmpdir(),
): Promise<Result> {
  const folder = await mkdtemp(join(parent, '.signalbox-backup-')).catch((cause: unknown) => {
    throw new SignalboxError('invalid', `cannot write to ${parent}: ${errorText(cause)}`, { cause });
  });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
