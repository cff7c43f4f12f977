import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readArchive, writeArchive } from './archive.ts';

const ABOUT = { contents: 'data', signalbox: '0.1.0' } as const;
const LARGE = Buffer.alloc(300_000, 'line\nfeeds\n\0');

let folder = '';
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signalbox-archive-'));
  await Promise.all(['from', 'to'].map((name) => mkdir(at(name))));
  await writeFile(at('from/events.db'), LARGE);
  await writeFile(at('from/store.db'), '');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function anArchive(): Promise<Buffer> {
  await writeArchive(at('a.backup'), at('from'), ABOUT, ['events.db', 'store.db']);
  return await readFile(at('a.backup'));
}

test('an archive gives back what was put in', async () => {
  await anArchive();
  const header = await readArchive(at('a.backup'), at('to'));
  expect(header).toMatchObject({
    ...ABOUT,
    version: 1,
    files: [{ name: 'events.db' }, { name: 'store.db', bytes: 0 }],
  });
  expect(await readFile(at('to/events.db'))).toEqual(LARGE);
  expect(await readFile(at('to/store.db'), 'utf8')).toBe('');
});

test('an archive that cannot be made leaves nothing', async () => {
  await expect(writeArchive(at('none/a.backup'), at('from'), ABOUT, ['events.db'])).rejects.toThrow('none/a.backup');
  expect((await readdir(folder)).sort()).toEqual(['from', 'to']);
});

describe('an archive is refused', () => {
  const replaced = (good: Buffer, from: string, to: string): Buffer =>
    gzipSync(gunzipSync(good).toString('latin1').replace(from, to), { level: 1 });

  test.for<{ name: string; spoil: (good: Buffer) => Buffer; reason: string }>([
    { name: 'with other bytes', spoil: (good) => replaced(good, '\nfeeds', '\nfeeDs'), reason: 'events.db in' },
    { name: 'cut off', spoil: (good) => good.subarray(0, good.length - 20), reason: 'cannot read the backup' },
    { name: 'ending early', spoil: (good) => gzipSync(gunzipSync(good).subarray(0, -9)), reason: 'it ends early' },
    {
      name: 'with more',
      spoil: (good) => gzipSync(Buffer.concat([gunzipSync(good), Buffer.from('more')])),
      reason: 'holds more than it lists',
    },
    { name: 'of a newer version', spoil: (good) => replaced(good, '"version":1', '"version":2'), reason: 'version 2' },
    { name: 'that is none', spoil: () => Buffer.from('something else'), reason: 'cannot read the backup' },
    { name: 'of another program', spoil: () => gzipSync('{"format":"x"}\n'), reason: 'is not a Signalbox backup' },
    { name: 'without a first line', spoil: () => gzipSync('x'.repeat(200_000)), reason: 'no line within' },
    {
      name: 'that leads outside',
      spoil: (good) => replaced(good, 'events.db', '../evt.db'),
      reason: 'is not a Signalbox',
    },
  ])('$name', async ({ spoil, reason }) => {
    await writeFile(at('bad.backup'), spoil(await anArchive()));
    await expect(readArchive(at('bad.backup'), at('to'))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(reason),
    });
    expect((await readdir(folder)).sort()).toEqual(['a.backup', 'bad.backup', 'from', 'to']);
  });

  test('that is not there', async () => {
    await expect(readArchive(at('none'), at('to'))).rejects.toMatchObject({ code: 'invalid' });
  });
});
