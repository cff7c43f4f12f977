/** A kernel with IPVS: Debian's cloud kernel, downloaded once by apt-get and unpacked, never installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface DebianKernel {
  readonly version: string;
  readonly image: string;
  /** The folder with `kernel/` and the module lists. */
  readonly modules: string;
}

const META_PACKAGE = 'linux-image-cloud-amd64';

export function debianKernel(cache: string): DebianKernel {
  const root = join(cache, 'kernel');
  if (!existsSync(root)) download(cache, root);
  const [version] = readdirSync(join(root, 'lib/modules'));
  if (version === undefined) throw new Error(`no kernel modules in ${root}: delete the folder and try again`);
  return { version, image: join(root, 'boot', `vmlinuz-${version}`), modules: join(root, 'lib/modules', version) };
}

function download(cache: string, root: string): void {
  const target = join(cache, 'kernel.new');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const depends = run('apt-cache', ['depends', META_PACKAGE], cache);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`apt knows no ${META_PACKAGE}: run apt-get update`);
  console.error(`Downloading ${name} …`);
  // The sandbox user of apt may not write into this folder.
  run('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', name], target);
  const file = readdirSync(target).find((each) => each.endsWith('.deb'));
  if (file === undefined) throw new Error(`apt-get downloaded no ${name}`);
  run('dpkg-deb', ['--extract', file, '.'], target);
  rmSync(join(target, file));
  const [version = ''] = readdirSync(join(target, 'lib/modules'));
  run('depmod', ['-b', target, version], cache);
  renameSync(target, root);
}

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr.slice(0, 1000)}`);
  return stdout;
}
