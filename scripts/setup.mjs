/**
 * Set-up that `npm start`, `npm test` and `npm run bench` do by themselves: dependencies and build. Plain JavaScript without
 * dependencies, because it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK = join(ROOT, 'package-lock.json');
/** Holds the hash of the lock file that node_modules was installed from. */
const MARKER = join(ROOT, 'node_modules', '.signalbox-lock');
const OLDEST_NODE = [20, 19];

/** Installs what package-lock.json names, unless that is what is installed; then builds what changed. */
export function setUp() {
  refuseOldNode();
  const wanted = createHash('sha256').update(readFileSync(LOCK)).digest('hex');
  const installed = existsSync(MARKER) ? readFileSync(MARKER, 'utf8') : '';
  if (installed !== wanted) {
    say('Installing dependencies (the first time this takes a minute or two) …');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], NATIVE_HINT);
    run('npm', ['run', '--silent', 'build', '--workspace', 'packages/udp-batch']);
    writeFileSync(MARKER, wanted);
  }
  say('Building …');
  run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b']);
}

/** Runs a program in the project's folder with our standard streams; ends this process when it fails. */
export function run(program, args, hint = '') {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (status === 0) return;
  say(`${program} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.${hint === '' ? '' : `\n${hint}`}`);
  process.exit(status ?? 1);
}

export function say(text) {
  process.stderr.write(`${text}\n`);
}

const NATIVE_HINT =
  'If better-sqlite3 could not be built: it needs a prebuilt binary from the network, or a C++ compiler, make and python3\n' +
  '(Debian: apt-get install build-essential python3).';

function refuseOldNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  say(`Signalbox needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}
