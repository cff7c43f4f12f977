/**
 * A Docker engine for a test: the one that answers already, else one of our own, run by hand from Debian's packages with
 * all of its state in one folder, and taken away without a trace: rules, bridge and forwarding are put back.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { installPrograms } from '../programs.mjs';
import { say } from '../setup.mjs';

const PROGRAMS = {
  dockerd: 'docker.io',
  docker: 'docker.io',
  containerd: 'containerd',
  runc: 'runc',
  debootstrap: 'debootstrap',
  nft: 'nftables',
};
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

/** `run` (docker), `compose` and `shell` throw with the program's output when it fails. */
export async function openEngine(folder) {
  if (answers(process.env)) return engine(process.env, () => {});
  if (process.getuid?.() !== 0) throw new Error('no Docker engine answers, and only root can start one');
  installPrograms(PROGRAMS);
  const host = `unix://${join(folder, 'docker.sock')}`;
  const environment = { ...process.env, DOCKER_HOST: host };
  const restoreNetwork = rememberNetwork();
  const daemon = startDaemon(folder, host);
  const close = async () => {
    await stopDaemon(daemon);
    restoreNetwork();
  };
  for (const deadline = Date.now() + 60_000; !answers(environment); await delay(200)) {
    if (daemon.exitCode === null && Date.now() < deadline) continue;
    await close();
    throw new Error(`dockerd did not start:\n${readFileSync(join(folder, 'dockerd.log'), 'utf8').slice(-3000)}`);
  }
  return engine(environment, close);
}

function engine(env, close) {
  const compose = composeCommand(env);
  return {
    close,
    run: (args, options) => execute(['docker', ...args], { env, ...options }),
    compose: (args, options) => execute([...compose, ...args], { env, ...options }),
    shell: (script) => execute(['sh', '-c', script], { env }),
  };
}

function answers(env) {
  return spawnSync('docker', ['info'], { env, stdio: 'ignore' }).status === 0;
}

/** `docker compose`, or its older self, a program of its own. */
function composeCommand(env) {
  if (spawnSync('docker', ['compose', 'version'], { env, stdio: 'ignore' }).status === 0) return ['docker', 'compose'];
  installPrograms({ 'docker-compose': 'docker-compose' });
  return ['docker-compose'];
}

/** Standard output; with `isShown` the user sees it instead. */
export function execute([program, ...args], { isShown = false, ...options } = {}) {
  const stdio = isShown ? ['ignore', 2, 2] : ['pipe', 'pipe', 'pipe'];
  const result = spawnSync(program, args, { encoding: 'utf8', stdio, maxBuffer: 64 * 1024 * 1024, ...options });
  if (result.status === 0) return result.stdout ?? '';
  const reason = result.error?.message ?? `${result.stdout ?? ''}${result.stderr ?? ''}`.slice(-4000);
  throw new Error(`${program} ${args.join(' ')} failed: ${reason}`);
}

function startDaemon(folder, host) {
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, 'dockerd.log'), 'w');
  const places = ['data-root', 'exec-root'].map((name) => `--${name}=${join(folder, name)}`);
  const args = [...places, `--host=${host}`, `--pidfile=${join(folder, 'dockerd.pid')}`];
  const daemon = spawn('dockerd', args, { stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  return daemon;
}

async function stopDaemon(daemon) {
  if (daemon.exitCode !== null) return;
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  daemon.kill('SIGTERM');
  await Promise.race([ended, delay(30_000).then(() => daemon.kill('SIGKILL'))]);
}

function rememberNetwork() {
  const forwarding = readFileSync(FORWARDING, 'utf8');
  const before = new Set(tables());
  return () => {
    spawnSync('ip', ['link', 'delete', 'docker0'], { stdio: 'ignore' });
    for (const table of tables()) {
      if (!before.has(table)) spawnSync('nft', ['delete', 'table', ...table.split(' ')], { stdio: 'ignore' });
    }
    writeFileSync(FORWARDING, forwarding);
  };
}

/** `ip filter`, `inet firewall`, … */
function tables() {
  const { stdout = '' } = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  return [...stdout.matchAll(/^table (\S+ \S+)$/gm)].map((match) => match[1]);
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
  say(`Removed ${folder}.`);
}
