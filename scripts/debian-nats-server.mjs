/** nats-server as other Debian releases than this machine's have it: downloaded by apt-get, which checks signatures; never installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, say } from './setup.mjs';

const CACHE = join(ROOT, 'node_modules/.cache/nats-server');
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The folder that holds the program. `suite`: a Debian release, such as `trixie` or `sid`. Throws when it cannot be had. */
export function debianNatsServer(suite) {
  const root = join(CACHE, suite);
  if (!existsSync(root)) download(suite, root);
  return join(root, 'usr/sbin');
}

/** As the program tells it, such as `v2.15.1`. */
export function versionOf(folder) {
  return run(join(folder, 'nats-server'), ['--version'], CACHE).trim().split(' ').at(-1);
}

function download(suite, root) {
  say(`Downloading nats-server of Debian ${suite} …`);
  const target = `${root}.new`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(join(target, 'apt/lists/partial'), { recursive: true });
  mkdirSync(join(target, 'apt/archives/partial'), { recursive: true });
  const sources = join(target, 'apt/sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${debianMirror()} ${suite} main\n`);
  const apt = (...args) => run('apt-get', ['-qq', ...aptOptions(join(target, 'apt'), sources), ...args], target);
  apt('update');
  apt('download', 'nats-server');
  const file = readdirSync(target).find((each) => each.endsWith('.deb'));
  run('dpkg-deb', ['--extract', file ?? '', '.'], target);
  rmSync(join(target, 'apt'), { recursive: true });
  rmSync(join(target, file ?? ''));
  renameSync(target, root);
}

/** The one that this machine has its own packages from. */
function debianMirror() {
  const targets = run(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Label: Debian'],
    '/',
  );
  const [mirror = ''] = targets.split('\n');
  if (mirror === '') throw new Error('apt has no Debian packages in its sources');
  return mirror;
}

/** Lists and caches of its own: nothing changes for the machine's packages. */
function aptOptions(folder, sources) {
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': folder,
    // The sandbox user of apt may not write into this folder.
    'APT::Sandbox::User': 'root',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

function run(program, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr.slice(0, 1000)}`);
  return stdout;
}
