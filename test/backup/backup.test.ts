/** Backups bring back what was there, and refuse what would lose something. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Intent, List, ServiceSummary } from '@signalbox/contracts';
import { openStore } from '@signalbox/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLI, ROOT, signalbox, temporaryFolder } from '../harness/signalbox.ts';
import { type RunningPlane, startPlaneOn } from './running-plane.ts';

/** A full disk is a small tmpfs, in a mount namespace; some machines forbid those. In CI that is a failure. */
const NO_NAMESPACE = !process.env.CI && spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status !== 0;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let planes: RunningPlane[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  for (const { process } of planes) {
    process.child.kill('SIGKILL');
    await process.finished;
  }
  planes = [];
  await folder.remove();
});

const at = (name: string): string => join(folder.path, name);

async function start(dataDir: string, manifests?: string): Promise<RunningPlane> {
  const plane = await startPlaneOn(at(dataDir), manifests === undefined ? {} : { manifests });
  planes.push(plane);
  return plane;
}

async function setIntents(plane: RunningPlane): Promise<void> {
  await plane.put('/v1/intents/dns-zones/example.com', { ttlSeconds: 300 });
  await plane.put('/v1/intents/dns-records/www', { name: 'www.example.com', type: 'A', values: ['192.0.2.1'] });
  await plane.put('/v1/intents/dns-aliases/shop', {
    name: 'shop.example.com',
    service: { namespace: 'shop', name: 'storefront-public' },
  });
}

async function intentsOf(plane: RunningPlane): Promise<unknown[]> {
  const kinds = ['dns-zones', 'dns-records', 'dns-aliases'];
  const lists = await Promise.all(kinds.map((kind) => plane.get<List<Intent>>(`/v1/intents/${kind}`)));
  return lists.flatMap(({ items }) => items.map(({ intent }) => intent));
}

describe('the data folder', () => {
  test('comes back with its intents, its history and its revisions', async () => {
    await cp(join(ROOT, 'examples/shop'), at('shop'), { recursive: true });
    const first = await start('data', at('shop'));
    const { revision: before } = await first.get<List<ServiceSummary>>('/v1/services');
    await setIntents(first);
    await first.stop();
    const saved = await signalbox(['backup', '--to', at('all.backup'), '--data-dir', at('data')]);
    expect(saved).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^saved a data folder of .* to .*all\.backup\n$/),
    });

    expect(await signalbox(['restore', '--from', at('all.backup'), '--data-dir', at('other')])).toMatchObject({
      code: 0,
    });
    const again = await start('data', at('shop'));
    const restored = await start('other', at('shop'));
    expect(await intentsOf(restored)).toEqual(await intentsOf(again));
    expect(await intentsOf(restored)).toHaveLength(3);
    for (const path of ['/v1/revisions', '/v1/services', `/v1/services?revision=${before}`, '/v1/zones/example.com']) {
      expect(await restored.get(path)).toEqual(await again.get(path));
    }
  });

  test('is not copied while a process has it, and not put over another', async () => {
    const running = await start('data');
    const refused = await signalbox(['backup', '--to', at('a.backup'), '--data-dir', at('data')]);
    expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('stop "signalbox up" first') });
    await running.stop();
    await signalbox(['backup', '--to', at('a.backup'), '--data-dir', at('data')]);
    const over = await signalbox(['restore', '--from', at('a.backup'), '--data-dir', at('data')]);
    expect(over).toMatchObject({ code: 1, stderr: expect.stringContaining('--force replaces') });

    await start('data');
    const used = await signalbox(['restore', '--from', at('a.backup'), '--data-dir', at('data'), '--force']);
    expect(used).toMatchObject({ code: 3, stderr: expect.stringContaining('in use') });
  });

  test('takes the place of a damaged one with --force', async () => {
    const first = await start('data');
    await setIntents(first);
    await first.stop();
    await signalbox(['backup', '--to', at('a.backup'), '--data-dir', at('data')]);
    await writeFile(at('data/events.db'), 'damaged '.repeat(1000));
    await writeFile(at('data/store.db'), 'damaged '.repeat(1000));
    const restored = await signalbox(['restore', '--from', at('a.backup'), '--data-dir', at('data'), '--force']);
    expect(restored).toMatchObject({ code: 0 });
    expect(await intentsOf(await start('data'))).toHaveLength(3);
  });
});

test('the data folder of a newer Signalbox takes the place of none', async () => {
  await (await start('newer')).stop();
  const store = await openStore({ path: at('newer/store.db') });
  store.sqlite.exec(`insert into kysely_migration (name, timestamp) values ('9999-from-the-future', '2030-01-01')`);
  store.close();
  await signalbox(['backup', '--to', at('newer.backup'), '--data-dir', at('newer')]);
  const mine = await start('data');
  await setIntents(mine);
  await mine.stop();
  const refused = await signalbox(['restore', '--from', at('newer.backup'), '--data-dir', at('data'), '--force']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('written by a newer Signalbox') });
  expect((await readdir(at('data'))).filter((name) => name.includes('incoming') || name.startsWith('.'))).toEqual([]);
  expect(await intentsOf(await start('data'))).toHaveLength(3);
});

/** On a disk of a few kilobytes, mounted where nobody else sees it. */
// Nothing else makes a disk full without filling that of the machine.
describe.skipIf(NO_NAMESPACE)(
  `a disk that is full${NO_NAMESPACE ? ' (skipped: unshare --map-root-user --mount)' : ''}`,
  () => {
    function onSmallDisk(args: readonly string[]) {
      const script = 'mount -t tmpfs -o size=64k tmpfs "$0" && node "$@"; code=$?; ls -A "$0"; exit $code';
      const command = ['--map-root-user', '--mount', 'sh', '-c', script, at('small'), CLI, ...args];
      return spawnSync('unshare', command, { encoding: 'utf8' });
    }

    beforeEach(async () => {
      await (await start('data')).stop();
      await mkdir(at('small'));
      expect((await stat(at('data'))).mode & 0o777).toBe(0o700);
    });

    test('takes no backup: it is named, and nothing is left there', () => {
      const { status, stdout, stderr } = onSmallDisk([
        'backup',
        '--to',
        at('small/a.backup'),
        '--data-dir',
        at('data'),
      ]);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/no space left for event log \S+small\S+events\.db/);
    });

    test('is not restored to: it is named, and nothing is left there', async () => {
      await signalbox(['backup', '--to', at('a.backup'), '--data-dir', at('data')]);
      const { status, stdout, stderr } = onSmallDisk(['restore', '--from', at('a.backup'), '--data-dir', at('small')]);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/no space left in \S+small\S+ to unpack/);
    });
  },
);

describe('the intents of a running Signalbox', () => {
  test('come back on another one', async () => {
    const from = await start('from');
    await setIntents(from);
    expect(await signalbox(['backup', '--to', at('i.backup'), '--api', from.api])).toMatchObject({ code: 0 });
    expect((await stat(at('i.backup'))).mode & 0o777).toBe(0o600);
    const to = await start('to');
    const restored = await signalbox(['restore', '--from', at('i.backup'), '--api', to.api]);
    expect(restored).toMatchObject({ code: 0, stdout: 'restored 3 intents\n' });
    expect(await intentsOf(to)).toEqual(await intentsOf(from));
  });

  test('are not mixed with others unless told', async () => {
    const plane = await start('data');
    await setIntents(plane);
    await signalbox(['backup', '--to', at('i.backup'), '--api', plane.api]);
    await plane.put('/v1/intents/dns-records/www', { name: 'www.example.com', type: 'A', values: ['192.0.2.9'] });
    const refused = await signalbox(['restore', '--from', at('i.backup'), '--api', plane.api]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('3 intents already') });
    expect(JSON.stringify(await intentsOf(plane))).toContain('192.0.2.9');
    const forced = await signalbox(['restore', '--from', at('i.backup'), '--api', plane.api, '--force']);
    expect(forced).toMatchObject({ code: 0 });
    expect(JSON.stringify(await intentsOf(plane))).not.toContain('192.0.2.9');
  });
});

describe('a backup file', () => {
  test('is not written over, and not restored where it does not belong', async () => {
    const plane = await start('data');
    await signalbox(['backup', '--to', at('good.backup'), '--api', plane.api]);
    await plane.stop();
    const again = await signalbox(['backup', '--to', at('good.backup'), '--data-dir', at('data')]);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('exists already') });
    const misplaced = await signalbox(['restore', '--from', at('good.backup'), '--data-dir', at('new')]);
    expect(misplaced).toMatchObject({ code: 2, stderr: expect.stringContaining('restore it with --api') });
    const missing = await signalbox(['restore', '--from', at('missing'), '--data-dir', at('new')]);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('ENOENT') });
  });
});
