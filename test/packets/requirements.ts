/** Tests that need root and programs of the system: they must run in CI, and are skipped by name elsewhere. */
import { spawnSync } from 'node:child_process';
import { describe, test } from 'vitest';

export function describeWithPrograms(name: string, programs: readonly string[], body: () => void): void {
  const missing = missingOf(programs);
  if (missing.length === 0) describe(name, body);
  else if (process.env.CI) describe(name, () => test('has what it needs', () => fail(missing)));
  else describe.skip(`${name} (needs ${missing.join(', ')})`, body);
}

function missingOf(programs: readonly string[]): string[] {
  const without = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  if (process.getuid?.() !== 0) return ['root', ...without];
  // Root in a container may lack the capability for this.
  const hasNamespaces = spawnSync('unshare', ['--net', 'true']).status === 0;
  return hasNamespaces ? without : ['network namespaces', ...without];
}

function fail(missing: readonly string[]): never {
  throw new Error(`missing in CI: ${missing.join(', ')}`);
}
