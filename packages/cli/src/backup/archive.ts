/**
 * A backup is one gzip file: a line of JSON that lists the files in it with their lengths and SHA-256, then their bytes, one
 * after another. `version` is that of this layout; a reader refuses those it does not know.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import {
  BACKUP_VERSION,
  type BackupHeader,
  backupHeaderSchema,
  errorText,
  isSignalboxError,
  SignalboxError,
} from '@signalbox/contracts';
import { ByteReader } from './byte-reader.ts';

const MAX_HEADER_BYTES = 65_536;

/** Packs the named files of a folder. The archive appears under its name when it is whole; an existing one is refused. */
export async function writeArchive(
  path: string,
  folder: string,
  about: Pick<BackupHeader, 'contents' | 'signalbox'>,
  names: readonly string[],
): Promise<BackupHeader> {
  if (existsSync(path)) throw new SignalboxError('invalid', `${path} exists already; name another file`);
  const files = await Promise.all(names.map((name) => describeFile(folder, name)));
  const createdAt = new Date().toISOString();
  const header: BackupHeader = { format: 'signalbox-backup', version: BACKUP_VERSION, ...about, createdAt, files };
  const unfinished = `${path}.unfinished`;
  try {
    // Intents and Services are nobody else's business: only the owner may read them.
    await pipeline(bytesOf(header, folder), createGzip(), createWriteStream(unfinished, { mode: 0o600 }));
    await rename(unfinished, path);
    return header;
  } catch (cause) {
    await rm(unfinished, { force: true });
    throw new SignalboxError('invalid', `cannot write the backup ${path}: ${errorText(cause)}`, { cause });
  }
}

/**
 * Unpacks into a folder. Throws `invalid` when the file is no backup, of an unknown version, cut off or changed, `limit` when
 * the folder is too small.
 */
export async function readArchive(path: string, folder: string): Promise<BackupHeader> {
  const source = createReadStream(path);
  const reader = new ByteReader(source.pipe(createGunzip()).on('error', () => {}));
  source.on('error', (error) => reader.fail(error));
  try {
    const header = parseHeader(await reader.line(MAX_HEADER_BYTES), path);
    for (const file of header.files) await extract(reader, folder, file, path);
    if (!(await reader.isAtEnd())) throw new SignalboxError('invalid', `${path} holds more than it lists`);
    return header;
  } catch (cause) {
    if (isSignalboxError(cause)) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new SignalboxError('limit', `no space left in ${folder} to unpack ${path}`, { cause });
    }
    throw new SignalboxError('invalid', `cannot read the backup ${path}: ${errorText(cause)}`, { cause });
  } finally {
    source.destroy();
  }
}

async function describeFile(folder: string, name: string): Promise<BackupHeader['files'][number]> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk as Buffer);
  return { name, bytes: (await stat(join(folder, name))).size, sha256: hash.digest('hex') };
}

async function* bytesOf(header: BackupHeader, folder: string): AsyncGenerator<Buffer> {
  yield Buffer.from(`${JSON.stringify(header)}\n`);
  for (const { name } of header.files) {
    for await (const chunk of createReadStream(join(folder, name))) yield chunk as Buffer;
  }
}

function parseHeader(line: Buffer, path: string): BackupHeader {
  let value: unknown;
  try {
    value = JSON.parse(line.toString());
  } catch (cause) {
    throw new SignalboxError('invalid', `${path} is not a Signalbox backup`, { cause });
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version !== BACKUP_VERSION) {
    const known = `this Signalbox reads version ${BACKUP_VERSION}`;
    throw new SignalboxError('invalid', `${path} is a backup of version ${version}; ${known}`);
  }
  const parsed = backupHeaderSchema.safeParse(value);
  if (!parsed.success)
    throw new SignalboxError('invalid', `${path} is not a Signalbox backup`, { cause: parsed.error });
  return parsed.data;
}

async function extract(
  reader: ByteReader,
  folder: string,
  { name, bytes, sha256 }: BackupHeader['files'][number],
  path: string,
): Promise<void> {
  const hash = createHash('sha256');
  const file = await open(join(folder, name), 'wx', 0o600);
  try {
    for await (const chunk of reader.take(bytes)) {
      hash.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  if (hash.digest('hex') !== sha256) throw new SignalboxError('invalid', `${name} in ${path} has been changed`);
}
