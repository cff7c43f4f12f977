/**
 * Known weaknesses of what runs in production (`npm audit`), from high on: a part of `npm run check`. The registry is asked
 * once a day for one lock file. Where it cannot be asked, that is said and nothing fails: a check must work without network.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, say } from './setup.mjs';

const CACHE = join(ROOT, 'node_modules/.cache/signalbox-audit.json');
const GOOD_FOR_MS = 24 * 3_600_000;
const FAILING = ['critical', 'high'];

const lock = createHash('sha256')
  .update(readFileSync(join(ROOT, 'package-lock.json')))
  .digest('hex');

if (!isFresh()) {
  const report = ask();
  if (report === undefined) say('Dependencies were not audited: the package registry gave no answer to npm audit.');
  else judge(report);
}

function isFresh() {
  if (!existsSync(CACHE)) return false;
  const known = JSON.parse(readFileSync(CACHE, 'utf8'));
  return known.lock === lock && Date.now() - known.atMs < GOOD_FOR_MS;
}

function ask() {
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=10000'];
  const { stdout } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
  try {
    const report = JSON.parse(stdout);
    return report.metadata?.vulnerabilities === undefined ? undefined : report;
  } catch {
    return undefined;
  }
}

function judge({ vulnerabilities }) {
  const bad = Object.values(vulnerabilities).filter(({ severity }) => FAILING.includes(severity));
  for (const { name, severity, range, fixAvailable } of bad) {
    say(`${severity}: ${name} ${range}${fixAvailable ? ' (npm audit fix has a way)' : ''}`);
  }
  if (bad.length > 0) process.exit(1);
  mkdirSync(dirname(CACHE), { recursive: true });
  writeFileSync(CACHE, JSON.stringify({ lock, atMs: Date.now() }));
}
