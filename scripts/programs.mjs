/**
 * The real programs that tests run, and the Debian packages that hold them. Installed when root on a Debian system;
 * elsewhere the tests that need a missing one are skipped by name (with CI set: they fail).
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './setup.mjs';

/** Program → Debian package. The README lists the same; a test compares them. */
export const PROGRAMS = {
  'nats-server': 'nats-server',
  nft: 'nftables',
  iptables: 'iptables',
  ipvsadm: 'ipvsadm',
  ipset: 'ipset',
  ip: 'iproute2',
  conntrack: 'conntrack',
  sysctl: 'procps',
  dig: 'bind9-dnsutils',
  'named-checkzone': 'bind9-utils',
  kdig: 'knot-dnsutils',
  kzonecheck: 'knot-dnssecutils',
  knotd: 'knot',
  named: 'bind9',
  nsd: 'nsd',
  haproxy: 'haproxy',
  h2load: 'nghttp2-client',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  python3: 'python3',
  curl: 'curl',
};

export function installPrograms(programs = PROGRAMS) {
  const missing = Object.keys(programs).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))];
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    say(
      `Not installed: ${missing.join(', ')} (Debian: apt-get install ${packages.join(' ')}). Tests that need them are skipped.`,
    );
    return;
  }
  say(`Installing ${packages.join(', ')} …`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
  const isDone = apt('update') && withoutStarting(() => apt('install', '-y', '--no-install-recommends', ...packages));
  if (!isDone) say(`Some of ${packages.join(', ')} could not be installed; tests that need them say so.`);
}

/** Tests start what they need, on ports of their own: Debian is told to start nothing, as containers do (policy-rc.d). */
function withoutStarting(install) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return install();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return install();
  } finally {
    rmSync(policy);
  }
}

function isInstalled(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
