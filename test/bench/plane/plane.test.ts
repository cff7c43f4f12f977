/** The bench runs: what it prints is for people, so no number of it is looked at. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { natsServerMissing } from '../../harness/nats-server.ts';
import { ROOT } from '../../harness/signalbox.ts';

const missing = natsServerMissing();

function run(...args: string[]) {
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', timeout: 240_000 });
}

describe.skipIf(missing !== undefined)(`npm run bench:plane${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('measures a small plane in every way', { timeout: 300_000 }, () => {
    const build = run('node_modules/typescript/bin/tsc', '-p', 'test/tsconfig.bench.json');
    expect([build.status, build.stdout]).toEqual([0, '']);
    const main = join(ROOT, 'test/dist/bench/plane/main.js');
    const { status, stdout, stderr } = run(main, '--quick');
    expect([status, stderr]).toEqual([0, expect.stringContaining('another API')]);
    for (const title of ['EVENTS/S', 'ACKNOWLEDGED P50', 'CONVERGED P50', 'START TO READY', 'PEAK MEMORY']) {
      expect(stdout).toContain(title);
    }
    expect(stdout).not.toMatch(/NaN|undefined|- ms/);
  });

  test.for([
    { args: ['--services', '0'], complaint: /--services: "0" is not a number/ },
    { args: ['--nats', '2'], complaint: /--nats: "2" is not 1 or 3/ },
    { args: ['--colour'], complaint: /--colour/ },
  ])('refuses $args', ({ args, complaint }) => {
    const { status, stderr } = run(join(ROOT, 'test/dist/bench/plane/main.js'), ...args);
    expect([status, stderr]).toEqual([1, expect.stringMatching(complaint)]);
  });
});
