/**
 * Builds the native part with the node-gyp that comes with npm. Never fails: without a compiler, or elsewhere than on
 * Linux, it says so, and the server does without.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = dirname(fileURLToPath(import.meta.url));
const BUILT = join(FOLDER, 'build/Release/udp_batch.node');
const SOURCE = join(FOLDER, 'native/udp-batch.c');

if (process.platform !== 'linux') say('it is for Linux only');
else if (!isCurrent()) build();

function build() {
  const gyp = nodeGyp();
  if (gyp === undefined) return say('node-gyp, which comes with npm, was not found');
  const args = [gyp, 'rebuild', ...headersOfThisNode()];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: FOLDER, encoding: 'utf8' });
  if (status !== 0) say(lastError(stderr));
}

function isCurrent() {
  return existsSync(BUILT) && statSync(BUILT).mtimeMs > statSync(SOURCE).mtimeMs;
}

function nodeGyp() {
  const npmFolders = [
    ...(process.env.npm_execpath ? [dirname(dirname(process.env.npm_execpath))] : []),
    join(dirname(process.execPath), '../lib/node_modules/npm'),
    '/usr/lib/node_modules/npm',
    '/usr/share/nodejs/npm',
  ];
  return npmFolders.map((folder) => join(folder, 'node_modules/node-gyp/bin/node-gyp.js')).find(existsSync);
}

/** They come with Node; without them node-gyp fetches them. */
function headersOfThisNode() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

function lastError(text) {
  const lines = text.split('\n').filter((line) => /error|ERR!/i.test(line));
  return lines.find((line) => /stack Error|fatal error|not found/.test(line)) ?? lines.at(-1) ?? 'the build failed';
}

function say(reason) {
  process.stderr.write(`The fast UDP receiver is left out (everything works without): ${reason.trim()}\n`);
}
