/** The folder that a driver and its HAProxy share. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SignalboxError } from '@signalbox/contracts';

export interface HaproxyFiles {
  readonly folder: string;
  readonly config: string;
  /** Written and checked first, then renamed to `config`. */
  readonly candidate: string;
  readonly state: string;
  readonly socket: string;
  readonly masterSocket: string;
  readonly pid: string;
}

/** Longest path of a unix socket on Linux, less what HAProxy appends while it binds. */
const MAX_SOCKET_PATH = 90;

export async function haproxyFiles(folder: string): Promise<HaproxyFiles> {
  const absolute = resolve(folder);
  const file = (name: string): string => join(absolute, name);
  if (!/^[\w./:@+-]+$/.test(absolute) || file('master.sock').length > MAX_SOCKET_PATH) {
    throw new SignalboxError('invalid', `the folder must have a short, plain name: "${absolute}"`);
  }
  await mkdir(absolute, { recursive: true, mode: 0o750 });
  return {
    folder: absolute,
    config: file('haproxy.cfg'),
    candidate: file('haproxy.cfg.new'),
    state: file('servers.state'),
    socket: file('admin.sock'),
    masterSocket: file('master.sock'),
    pid: file('haproxy.pid'),
  };
}

/** A reader sees the old file or the new one, never a part. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text, { mode: 0o640 });
  await rename(`${path}.tmp`, path);
}

/** Empty when there is none. */
export async function readIfThere(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}
