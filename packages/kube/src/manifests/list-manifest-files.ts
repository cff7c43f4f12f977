/** Which files a manifests path stands for, with a stamp of each that tells whether to read it again. */
import type { BigIntStats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorText } from '@signalbox/contracts';

export interface ListedFile {
  readonly file: string;
  /** Inode, size and times: an atomic save, an edit in place and a swapped symbolic link each change it. */
  readonly stamp: string;
}

export interface FileListing {
  /** Sorted by path. A single file is taken whatever its name. */
  readonly files: readonly ListedFile[];
  /** Folders that could not be listed: what was in them is unknown, not gone. */
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[];
  /** Where symbolic links lead now, as one text: a watcher follows what a link led to when it was set up. */
  readonly links: string;
}

/** Undefined when there is nothing at the path; throws what the file system says when it cannot be looked at. */
export async function listManifestFiles(path: string): Promise<FileListing | undefined> {
  const root = await statOf(path);
  if (root === undefined) return undefined;
  const target = await realPathOf(path);
  const found: Found = { files: [], unreadable: [], links: [`${path} ${target}`] };
  if (root.isDirectory) await listFolder(path, { ancestors: [target], found });
  else found.files.push({ file: path, stamp: root.stamp });
  const { files, unreadable, links } = found;
  files.sort((a, b) => (a.file < b.file ? -1 : 1));
  return { files, unreadable, links: links.sort().join('\n') };
}

/** Hidden entries hold editors' backups, and the versions behind a mounted ConfigMap's links. */
export function isManifestName(path: string): boolean {
  return !isHidden(path) && /\.(ya?ml|json)$/i.test(path);
}

export function isHidden(path: string): boolean {
  return basename(path).startsWith('.');
}

interface Found {
  readonly files: ListedFile[];
  readonly unreadable: { readonly path: string; readonly reason: string }[];
  readonly links: string[];
}

/** `ancestors` are real paths: a link to a folder above it would never end. */
async function listFolder(
  folder: string,
  { ancestors, found }: { ancestors: readonly string[]; found: Found },
): Promise<void> {
  for (const entry of await orUnreadable(folder, found, readdir(folder, { withFileTypes: true }), [])) {
    const path = join(folder, entry.name);
    if (isHidden(path)) continue;
    if (entry.isSymbolicLink()) found.links.push(`${path} ${await realPathOf(path)}`);
    const stats = await orUnreadable(path, found, statOf(path), undefined);
    if (stats?.isDirectory) {
      const target = await realPathOf(path);
      if (!ancestors.includes(target)) await listFolder(path, { ancestors: [...ancestors, target], found });
    } else if (stats?.isFile && isManifestName(path)) {
      found.files.push({ file: path, stamp: stats.stamp });
    }
  }
}

/** What went away between two looks is simply not there. */
async function orUnreadable<T>(path: string, found: Found, look: Promise<T>, fallback: T): Promise<T> {
  try {
    return await look;
  } catch (error) {
    if (!isGone(error)) found.unreadable.push({ path, reason: `cannot be looked at: ${errorText(error)}` });
    return fallback;
  }
}

async function statOf(path: string): Promise<{ stamp: string; isDirectory: boolean; isFile: boolean } | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    return { stamp: stampOf(stats), isDirectory: stats.isDirectory(), isFile: stats.isFile() };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

export function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
