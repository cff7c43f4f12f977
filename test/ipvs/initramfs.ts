/** A file system in memory for a Linux kernel to start from: a cpio archive in the "newc" form (initramfs-buffer-format). */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const DIRECTORY = 0o040755;
const PROGRAM = 0o100755;
const SYMLINK = 0o120777;
const TRAILER = 'TRAILER!!!';

interface Entry {
  readonly mode: number;
  readonly content: Buffer;
}

export class Initramfs {
  readonly #entries = new Map<string, Entry>();

  /** Folders on the way are made. */
  file(path: string, content: Buffer | string): void {
    this.folder(dirname(path));
    this.#entries.set(path, { mode: PROGRAM, content: Buffer.from(content) });
  }

  link(path: string, target: string): void {
    this.folder(dirname(path));
    this.#entries.set(path, { mode: SYMLINK, content: Buffer.from(target) });
  }

  folder(path: string): void {
    if (path === '/' || this.#entries.has(path)) return;
    this.folder(dirname(path));
    this.#entries.set(path, { mode: DIRECTORY, content: Buffer.alloc(0) });
  }

  copy(from: string, to = from): void {
    if (!this.#entries.has(to)) this.file(to, readFileSync(from));
  }

  copyTree(from: string, to: string, isWanted: (path: string) => boolean = () => true): void {
    for (const name of readdirSync(from)) {
      const path = join(from, name);
      if (statSync(path).isDirectory()) this.copyTree(path, join(to, name), isWanted);
      else if (isWanted(path)) this.copy(path, join(to, name));
    }
  }

  /** A program of this machine with the libraries that it is linked with. */
  program(path: string, to: string): void {
    this.copy(realpathSync(path), to);
    this.libraries(path);
  }

  libraries(path: string): void {
    const { stdout } = spawnSync('ldd', [path], { encoding: 'utf8' });
    for (const [library] of stdout.matchAll(/\/\S+/g)) if (library !== `${path}:`) this.copy(library);
  }

  toBuffer(): Buffer {
    const entries = [...this.#entries].flatMap(([path, entry], index) => archived(path.slice(1), entry, index + 1));
    return Buffer.concat([...entries, ...archived(TRAILER, { mode: 0, content: Buffer.alloc(0) }, 0)]);
  }
}

/** Header of thirteen hexadecimal fields, name, content; each padded to four bytes. */
function archived(name: string, { mode, content }: Entry, inode: number): Buffer[] {
  const nameSize = Buffer.byteLength(name) + 1;
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, nameSize, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return [Buffer.from(header + padding(Buffer.byteLength(header))), content, Buffer.from(padding(content.length))];
}

function padding(length: number): string {
  return '\0'.repeat((4 - (length % 4)) % 4);
}
