/** What the virtual machine takes over from this one: programs that change rules, and files of the project. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DebianKernel, debianKernel } from './debian-kernel.ts';

/** Of the project. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Where libxtables finds its matches and targets. */
const XTABLES = '/usr/lib/x86_64-linux-gnu/xtables';

export function kernelWithIpvs(): DebianKernel {
  const cache = join(ROOT, 'node_modules/.cache/ipvs-vm');
  mkdirSync(cache, { recursive: true });
  return debianKernel(cache);
}

/** Full paths. Throws for one that is not installed. */
export function pathsOf(programs: readonly string[]): string[] {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return programs.map((program) => {
    const path = folders.map((folder) => join(folder, program)).find((each) => existsSync(each));
    if (path === undefined) throw new Error(`${program} is not installed`);
    return path;
  });
}

/** What the programs of iptables load, by path. */
export function xtablesModules(): Map<string, Buffer> {
  return filesOfFolder(XTABLES, XTABLES);
}

/** The files of a folder, as they are called in the machine. */
export function filesOfFolder(from: string, to: string, isWanted = (_name: string): boolean => true) {
  const names = readdirSync(from).filter(isWanted);
  return new Map(names.map((name) => [join(to, name), readFileSync(join(from, name))]));
}
