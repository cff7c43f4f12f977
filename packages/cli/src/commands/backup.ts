/** `signalbox backup`, `signalbox restore`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type BackupHeader, SignalboxError } from '@signalbox/contracts';
import type { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import { readIntents, writeIntents } from '../backup/api-intents.ts';
import { readArchive, writeArchive } from '../backup/archive.ts';
import { INTENTS, inTemporaryFolder, readUnpackedIntents } from '../backup/intents-archive.ts';
import type { CliIo } from '../io.ts';
import { VERSION } from '../version.ts';

interface BackupOptions extends ApiFlags {
  readonly to: string;
  readonly dataDir?: string;
}

interface RestoreOptions extends ApiFlags {
  readonly from: string;
  readonly dataDir?: string;
  readonly force?: boolean;
}

export function addBackupCommands(program: Command, io: CliIo): void {
  withPlace(program.command('backup').description('save intents, or the whole data folder with its history'))
    .requiredOption('--to <file>', 'the backup, a new file')
    .addHelpText('after', BACKUP_EXAMPLES)
    .action((options: BackupOptions) => runBackup(options, io));
  withPlace(program.command('restore').description('bring back what "signalbox backup" saved'))
    .requiredOption('--from <file>', 'the backup')
    .option('--force', 'replace what is there')
    .addHelpText('after', RESTORE_EXAMPLES)
    .action((options: RestoreOptions) => runRestore(options, io));
}

function withPlace(command: Command): Command {
  return withApi(command, ', for its intents').option(
    '--data-dir <path>',
    'everything in the data folder of a stopped "signalbox up" instead',
  );
}

async function runBackup({ to, dataDir, ...access }: BackupOptions, io: CliIo): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const isData = dataDir !== undefined;
    const names = isData ? await copyData(dataDir, folder) : await saveIntents(openClient(access), folder);
    const about = { contents: isData ? 'data' : 'intents', signalbox: VERSION } as const;
    const header = await writeArchive(to, folder, about, names);
    io.stdout.write(`saved ${describe(header)} to ${to}\n`);
  }, dirname(to));
}

async function runRestore({ from, dataDir, force, ...access }: RestoreOptions, io: CliIo): Promise<void> {
  const isForced = force === true;
  if (dataDir === undefined) {
    await inTemporaryFolder(async (folder) => {
      await unpack(from, folder, 'intents');
      await restoreIntents(openClient(access), { from, folder, isForced }, io);
    });
    return;
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await inTemporaryFolder(async (folder) => {
    const header = await unpack(from, folder, 'data');
    const { restoreDataFolder } = await import('../backup/data-folder.ts');
    await restoreDataFolder(folder, dataDir, { files: header.files.map(({ name }) => name), isForced });
    io.stdout.write(`restored ${describe(header)} to ${dataDir}\n`);
  }, dataDir);
}

async function unpack(from: string, folder: string, wanted: BackupHeader['contents']): Promise<BackupHeader> {
  const header = await readArchive(from, folder);
  if (header.contents === wanted) return header;
  const flag = header.contents === 'data' ? '--data-dir' : '--api';
  throw new SignalboxError('invalid', `${from} holds ${CONTENTS[header.contents]}: restore it with ${flag}`);
}

async function copyData(dataDir: string, folder: string): Promise<string[]> {
  // Loaded here, so that the other commands do not wait for databases to be loaded.
  const { copyDataFolder } = await import('../backup/data-folder.ts');
  return await copyDataFolder(dataDir, folder);
}

async function saveIntents(api: ApiClient, folder: string): Promise<string[]> {
  await writeFile(join(folder, INTENTS), JSON.stringify(await readIntents(api), undefined, 1));
  return [INTENTS];
}

async function restoreIntents(
  api: ApiClient,
  { from, folder, isForced }: { from: string; folder: string; isForced: boolean },
  io: CliIo,
): Promise<void> {
  const intents = await readUnpackedIntents(folder, from);
  const { written, owned, failed } = await writeIntents(api, intents, { isForced });
  const left = owned === 0 ? '' : `; left ${owned} to their owner`;
  io.stdout.write(`restored ${written} intents${left}\n`);
  if (failed.length > 0) throw new SignalboxError('internal', `not restored:\n  ${failed.join('\n  ')}`);
}

const CONTENTS = { data: 'a data folder', intents: 'intents' } as const;

function describe({ contents, createdAt, signalbox, files }: BackupHeader): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return `${CONTENTS[contents]} of ${createdAt} (Signalbox ${signalbox}, ${bytes} bytes)`;
}

const BACKUP_EXAMPLES = `
Examples:
  signalbox backup --to intents.backup
  signalbox backup --to monday.backup --data-dir .signalbox`;

const RESTORE_EXAMPLES = `
Examples:
  signalbox restore --from intents.backup --api http://10.0.0.7:7070
  signalbox restore --from monday.backup --data-dir /var/lib/signalbox`;
