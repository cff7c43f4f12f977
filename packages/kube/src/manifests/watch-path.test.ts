import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type PathWatch, watchPath } from './watch-path.ts';

let folder = '';
let path = '';
let watch: PathWatch | undefined;

/** `outside/path/{a.yaml → ..data/a.yaml, b.yaml, deep/c.yaml}`, so that what is outside is the test's as well. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-watch-'));
  path = join(folder, 'path');
  mkdirSync(join(path, 'deep'), { recursive: true });
  for (const version of ['..v1', '..v2']) {
    mkdirSync(join(path, version));
    writeFileSync(join(path, version, 'a.yaml'), '');
  }
  symlinkSync('..v1', join(path, '..data'));
  symlinkSync('..v2', join(path, '..data_tmp'));
  symlinkSync('..data/a.yaml', join(path, 'a.yaml'));
  for (const name of ['b.yaml', 'deep/c.yaml', '.hidden', 'b.txt']) writeFileSync(join(path, name), '');
});

afterEach(async () => {
  await watch?.close();
  rmSync(folder, { recursive: true });
});

test.for([
  { name: 'a file written to', act: () => appendFileSync(join(path, 'b.yaml'), 'x') },
  { name: 'a file in a folder written to', act: () => appendFileSync(join(path, 'deep', 'c.yaml'), 'x') },
  { name: 'a file replaced', act: () => renameSync(join(path, 'deep', 'c.yaml'), join(path, 'b.yaml')) },
  { name: 'a file removed', act: () => rmSync(join(path, 'b.yaml')) },
  { name: 'a new file', act: () => writeFileSync(join(path, 'new.json'), '') },
  { name: 'a new folder', act: () => mkdirSync(join(path, 'new')) },
  {
    name: 'the hidden link of a mounted ConfigMap swapped',
    act: () => renameSync(join(path, '..data_tmp'), join(path, '..data')),
  },
  { name: 'the path itself removed', act: () => rmSync(path, { recursive: true }) },
  { name: 'the path itself moved away', act: () => renameSync(path, `${path}.old`) },
])('$name is told', async ({ act }) => {
  const changes = await startWatch();
  act();
  await until(() => changes.count > 0);
});

test('a path that returns is told', async () => {
  const changes = await startWatch();
  renameSync(path, `${path}.old`);
  await until(() => changes.count > 0);
  changes.count = 0;
  renameSync(`${path}.old`, path);
  await until(() => changes.count > 0);
});

test('what is beside the path, or hidden in it, is not told', async () => {
  const changes = await startWatch();
  appendFileSync(join(path, '.hidden'), 'x');
  writeFileSync(join(folder, 'beside.yaml'), 'x');
  mkdirSync(join(folder, 'beside'));
  // A second watch has events of the same queue later, so whatever the first was to be told has been told by then.
  const witness = await startWitness();
  writeFileSync(join(witness.path, 'mark.yaml'), '');
  await until(() => witness.changes.count > 0);
  await witness.watch.close();
  expect(changes.count).toBe(0);
});

async function startWatch(): Promise<{ count: number }> {
  const started = await watching(path);
  watch = started.watch;
  return started.changes;
}

async function startWitness(): Promise<{ path: string; watch: PathWatch; changes: { count: number } }> {
  const witness = mkdtempSync(join(folder, 'witness-'));
  return { path: witness, ...(await watching(witness)) };
}

/** The first thing told is that the watch is set up. */
async function watching(target: string): Promise<{ watch: PathWatch; changes: { count: number } }> {
  const changes = { count: 0 };
  const onChange = () => {
    changes.count += 1;
  };
  const started = watchPath({ path: target, onChange, onError: (error) => expect.fail(String(error)) });
  await until(() => changes.count > 0);
  changes.count = 0;
  return { watch: started, changes };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 4_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('did not come about');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
