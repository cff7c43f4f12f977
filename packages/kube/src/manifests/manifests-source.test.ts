import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { SourceKind, SourceStatus } from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Source, SourceChange, SourceObject, SourceSink } from '../source.ts';
import { type ManifestsSourceOptions, manifestsSource } from './manifests-source.ts';

/** Some 100 ms on an idle machine; what file events miss is found after 5 s only, so this proves that they are used. */
const SOON_MS = 2_000;

let folder = '';
const running: Source[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-manifests-'));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((source) => source.stop()));
  rmSync(folder, { recursive: true, force: true });
  await until(
    () => openWatches() === 0,
    () => `${openWatches()} file watches are left after stop`,
  );
});

describe('the first reading', () => {
  test('replaces every kind, derived slices included, and then says that it watches', async () => {
    writeFileSync(join(folder, 'a.yaml'), [service('web'), pod('web-1'), namespace('shop')].join('---\n'));
    const { sink } = await startAt(folder);
    expect(sink.replaced).toEqual(['Service', 'EndpointSlice', 'Node', 'Namespace']);
    expect(sink.names()).toEqual([
      expect.stringMatching(/^EndpointSlice default\/web-/),
      'Namespace /shop',
      'Service default/web',
    ]);
    expect(
      [...sink.objects.values()].every(
        ({ changedAtMs, resourceVersion }) => changedAtMs === 1_000 && resourceVersion === '',
      ),
    ).toBe(true);
    expect(sink.status('Service')).toEqual({
      cluster: 'c',
      kind: 'Service',
      state: 'watching',
      message: '',
      objects: 1,
      skipped: 0,
      resourceVersion: '',
      sinceMs: 1_000,
    });
    expect(sink.statuses.slice(0, 4).map(({ state }) => state)).toEqual(['syncing', 'syncing', 'syncing', 'syncing']);
  });

  test('Pods are published where they are asked for, cut down to what names need', async () => {
    writeFileSync(join(folder, 'a.yaml'), pod('web-1'));
    const { sink } = await startAt(folder, { kinds: ['Service', 'EndpointSlice', 'Node', 'Namespace', 'Pod'] });
    expect(sink.replaced).toEqual(['Service', 'EndpointSlice', 'Node', 'Namespace', 'Pod']);
    expect([...sink.objects.values()].map(({ object }) => object)).toEqual([
      { kind: 'Pod', metadata: { name: 'web-1', namespace: 'default' }, status: { podIP: '10.1.0.1' } },
    ]);
    expect(sink.status('Pod')).toMatchObject({ state: 'watching', objects: 1 });
  });

  test('a path that is not there is refused by name', async () => {
    const source = aSource({ path: join(folder, 'nothing') });
    await expect(source.start(new MemorySink())).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(join(folder, 'nothing')),
    });
  });

  test('problems are counted where they matter, shown and logged, once', async () => {
    writeFileSync(join(folder, 'a.yaml'), [service('web'), service('bad', 'ports: [{ port: 0 }]')].join('---\n'));
    const warnings: object[] = [];
    const logger = { info: () => undefined, warn: (fields: object) => warnings.push(fields) };
    const { sink } = await startAt(folder, { logger });
    expect(sink.status('Service')).toMatchObject({
      objects: 1,
      skipped: 1,
      message: expect.stringContaining('a.yaml:9'),
    });
    expect(sink.status('Node')).toMatchObject({ skipped: 0, message: '' });
    writeFileSync(join(folder, 'b.yaml'), service('more'));
    await sink.until(() => sink.has('Service default/more'));
    expect(warnings).toMatchObject([{ cluster: 'c', document: 2, object: { kind: 'Service', name: 'bad' } }]);
  });

  test('a sink that fails is told so, and start does not reject', async () => {
    writeFileSync(join(folder, 'a.yaml'), service('one'));
    const { sink } = await startAt(folder, {}, new MemorySink({ failures: 1 }));
    expect(sink.status('Service')).toMatchObject({ state: 'failed', message: expect.stringContaining('disk full') });
    writeFileSync(join(folder, 'b.yaml'), service('more'));
    await sink.until(() => sink.status('Service')?.state === 'watching');
    expect(sink.names()).toEqual(['Service default/more', 'Service default/one']);
  });
});

describe('changes', () => {
  test.for([
    { name: 'in place', save: (file: string, text: string) => writeFileSync(file, text) },
    { name: 'by renaming a new file over the old one', save: saveByRename },
    { name: 'by moving the old one away first', save: saveByBackup },
    { name: 'by removing it first', save: saveByRemoving },
  ])('a file saved $name is applied, only what changed, soon', async ({ save }) => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, [service('one'), service('two'), service('three')].join('---\n'));
    const { sink } = await startAt(folder);
    const savedAt = performance.now();
    save(file, [service('one'), service('two', 'clusterIP: 10.0.0.2'), service('four')].join('---\n'));
    await sink.until(() => sink.has('Service default/four'));
    expect(performance.now() - savedAt).toBeLessThan(SOON_MS);
    expect(sink.changes.map(changeText)).toEqual([
      'upsert Service default/two',
      'upsert Service default/four',
      'delete Service default/three',
    ]);
    expect(sink.names()).toEqual(['Service default/four', 'Service default/one', 'Service default/two']);
  });

  test('a single file is followed', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, service('one'));
    writeFileSync(join(folder, 'other.yaml'), service('other'));
    const { sink } = await startAt(file);
    saveByRename(file, service('two'));
    await sink.until(() => sink.has('Service default/two'));
    writeFileSync(file, service('three'));
    await sink.until(() => sink.has('Service default/three'));
    expect(sink.names()).toEqual(['Service default/three']);
  });

  test('files and folders that come and go', async () => {
    const { sink } = await startAt(folder);
    mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
    writeFileSync(join(folder, 'deep', 'er', 'a.yml'), service('a'));
    await sink.until(() => sink.has('Service default/a'));
    writeFileSync(
      join(folder, 'deep', 'b.json'),
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'b' } }),
    );
    await sink.until(() => sink.has('Namespace /b'));
    unlinkSync(join(folder, 'deep', 'b.json'));
    await sink.until(() => !sink.has('Namespace /b'));
    rmSync(join(folder, 'deep'), { recursive: true });
    await sink.until(() => sink.objects.size === 0);
  });

  test('hidden files and other names are not read', async () => {
    for (const name of ['.a.yaml', 'a.txt', 'a.yaml~', '.hidden/a.yaml']) {
      mkdirSync(join(folder, '.hidden'), { recursive: true });
      writeFileSync(join(folder, name), service('no'));
    }
    const { sink } = await startAt(folder);
    writeFileSync(join(folder, 'b.yaml'), service('yes'));
    await sink.until(() => sink.has('Service default/yes'));
    expect(sink.names()).toEqual(['Service default/yes']);
  });

  test('a mounted ConfigMap whose hidden link is swapped, again and again', async () => {
    for (const version of ['v1', 'v2', 'v3', 'v4']) {
      mkdirSync(join(folder, `..${version}`));
      writeFileSync(join(folder, `..${version}`, 'a.yaml'), service(version));
    }
    mountVersion(folder, 'v1');
    symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
    const { sink } = await startAt(folder);
    expect(sink.names()).toEqual(['Service default/v1']);
    for (const version of ['v2', 'v3', 'v4']) {
      const swappedAt = performance.now();
      mountVersion(folder, version);
      await sink.until(() => sink.has(`Service default/${version}`));
      expect(performance.now() - swappedAt).toBeLessThan(SOON_MS);
      expect(sink.names()).toEqual([`Service default/${version}`]);
    }
  });

  test('a path that is itself a link which is swapped, and edits behind it', async () => {
    for (const version of ['v1', 'v2']) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'a.yaml'), service(version));
    }
    const current = join(folder, 'current');
    symlinkSync('v1', current);
    const { sink } = await startAt(current);
    const editSeveralTimes = async (version: string) => {
      for (const edit of ['edit-1', 'edit-2', 'edit-3'].map((name) => `${version}-${name}`)) {
        const editedAt = performance.now();
        writeFileSync(join(folder, version, 'a.yaml'), service(edit));
        await sink.until(() => sink.has(`Service default/${edit}`));
        expect(performance.now() - editedAt).toBeLessThan(SOON_MS);
      }
    };
    await editSeveralTimes('v1');
    symlinkSync('v2', `${current}.new`);
    renameSync(`${current}.new`, current);
    await sink.until(() => sink.has('Service default/v2'));
    await editSeveralTimes('v2');
    expect(sink.names()).toEqual(['Service default/v2-edit-3']);
  });

  test('a Pod that turns ready changes its derived slice, which keeps its name', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, [service('web'), pod('web-1', 'False')].join('---\n'));
    const { sink } = await startAt(folder);
    const before = sink.names();
    writeFileSync(file, [service('web'), pod('web-1', 'True')].join('---\n'));
    await sink.until(() => sink.changes.length > 0);
    expect(sink.changes.map(changeText)).toEqual([expect.stringMatching(/^upsert EndpointSlice default\/web-/)]);
    expect(sink.names()).toEqual(before);
  });

  test('a file written again with the same content changes nothing', async () => {
    writeFileSync(join(folder, 'a.yaml'), service('web'));
    const { sink } = await startAt(folder);
    saveByRename(join(folder, 'a.yaml'), `# a comment\n${service('web')}`);
    writeFileSync(join(folder, 'b.yaml'), service('marker'));
    await sink.until(() => sink.has('Service default/marker'));
    expect(sink.changes.map(changeText)).toEqual(['upsert Service default/marker']);
  });
});

describe('nothing is lost while files are in a bad state', () => {
  test('objects of a broken file stay, and what is good in it is applied', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, [service('one'), service('two')].join('---\n'));
    const { sink } = await startAt(folder);
    writeFileSync(file, [service('one', 'clusterIP: 10.0.0.9'), 'kind: {\n', service('new')].join('---\n'));
    await sink.until(() => sink.has('Service default/new'));
    expect(sink.names()).toEqual(['Service default/new', 'Service default/one', 'Service default/two']);
    expect(sink.status('Service')).toMatchObject({
      state: 'watching',
      skipped: 1,
      message: expect.stringContaining('a.yaml'),
    });
    writeFileSync(file, service('new'));
    await sink.until(() => sink.objects.size === 1);
    expect(sink.status('Service')).toMatchObject({ skipped: 0, message: '' });
  });

  test('an object that turns bad stays as it was, while others of its file may go', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, [service('one', 'ports: [{ port: 80 }]'), service('two')].join('---\n'));
    const { sink } = await startAt(folder);
    writeFileSync(file, service('one', 'ports: [{ port: 99999 }]'));
    await sink.until(() => !sink.has('Service default/two'));
    expect(sink.objects.get('Service default/one')?.object).toMatchObject({ spec: { ports: [{ port: 80 }] } });
    expect(sink.changes.map(changeText)).toEqual(['delete Service default/two']);
  });

  test('a file that is emptied and then written never shows as empty', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, service('one'));
    writeFileSync(join(folder, 'marker.yaml'), service('marker-1'));
    const { sink } = await startAt(folder);
    writeFileSync(file, '');
    writeFileSync(join(folder, 'marker.yaml'), service('marker-2'));
    await sink.until(() => sink.has('Service default/marker-2'));
    writeFileSync(file, service('one', 'clusterIP: 10.0.0.9'));
    await sink.until(() => sink.changes.some((change) => changeText(change) === 'upsert Service default/one'));
    expect(sink.changes.map(changeText)).not.toContain('delete Service default/one');
  });

  test('a file that stays empty has nothing in it', async () => {
    writeFileSync(join(folder, 'a.yaml'), service('one'));
    const { sink } = await startAt(folder);
    writeFileSync(join(folder, 'a.yaml'), '');
    await sink.until(() => sink.objects.size === 0);
  });

  test('a path that vanishes is unreachable, not empty; when it returns it is followed again', async () => {
    const path = join(folder, 'cluster');
    mkdirSync(path);
    writeFileSync(join(path, 'a.yaml'), service('one'));
    const { sink } = await startAt(path);
    rmSync(path, { recursive: true });
    await sink.until(() => sink.status('Service')?.state === 'unreachable');
    expect(sink.status('Service')).toMatchObject({ objects: 1, message: expect.stringContaining(path) });
    expect(sink.names()).toEqual(['Service default/one']);
    mkdirSync(path);
    writeFileSync(join(path, 'a.yaml'), service('two'));
    await sink.until(() => sink.has('Service default/two') && sink.status('Service')?.state === 'watching');
    expect(sink.names()).toEqual(['Service default/two']);
    writeFileSync(join(path, 'a.yaml'), service('three'));
    await sink.until(() => sink.has('Service default/three'));
  });

  test('a file that cannot be read as text keeps its objects', async () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, service('one'));
    const { sink } = await startAt(folder);
    writeFileSync(file, Buffer.from([0x6b, 0x80, 0xff]));
    await sink.until(() => sink.status('Service')?.skipped === 1);
    expect(sink.status('Service')?.message).toContain('is not UTF-8 text');
    expect(sink.names()).toEqual(['Service default/one']);
  });
});

describe('standard input', () => {
  test('is read once', async () => {
    const stdin = Readable.from([service('one'), '--', '-\n', service('two')]);
    const { sink } = await startAt('-', { stdin });
    expect(sink.names()).toEqual(['Service default/one', 'Service default/two']);
    expect(sink.status('Service')).toMatchObject({ state: 'watching', objects: 2, skipped: 0 });
  });

  test('a source stopped while it waits for input ends, and touches the sink no more', async () => {
    const source = aSource({ path: '-', stdin: new PassThrough() });
    const sink = new MemorySink();
    const started = source.start(sink);
    await source.stop();
    await started;
    expect(sink.replaced).toEqual([]);
  });

  test('input has to be given', async () => {
    await expect(aSource({ path: '-' }).start(new MemorySink())).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('stop', () => {
  test('nothing reaches the sink afterwards', async () => {
    writeFileSync(join(folder, 'a.yaml'), service('one'));
    const { sink, source } = await startAt(folder);
    const witness = await startAt(folder);
    writeFileSync(join(folder, 'a.yaml'), service('two'));
    await source.stop();
    const calls = sink.calls;
    writeFileSync(join(folder, 'a.yaml'), service('three'));
    await witness.sink.until(() => witness.sink.has('Service default/three'));
    expect(sink.calls).toBe(calls);
  });

  test('stopping at once, and twice', async () => {
    writeFileSync(join(folder, 'a.yaml'), service('one'));
    const source = aSource({ path: folder });
    const started = source.start(new MemorySink());
    await Promise.all([source.stop(), source.stop()]);
    await started;
  });
});

/** Only `web` selects Pods, so that other Services have no slices to get in the way. */
function service(name: string, spec = name === 'web' ? 'clusterIP: 10.0.0.1, selector: { app: web }' : ''): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ${spec} }\n`;
}

function pod(name: string, ready = 'True'): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, labels: { app: web } }\nstatus: { podIP: 10.1.0.1, conditions: [{ type: Ready, status: '${ready}' }] }\n`;
}

function namespace(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;
}

function saveByRename(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}

function saveByBackup(file: string, text: string): void {
  renameSync(file, `${file}~`);
  writeFileSync(file, text);
  unlinkSync(`${file}~`);
}

function saveByRemoving(file: string, text: string): void {
  unlinkSync(file);
  writeFileSync(file, text);
}

/** As the kubelet does it: a link to the new hidden folder is renamed over `..data`. */
function mountVersion(path: string, version: string): void {
  symlinkSync(`..${version}`, join(path, '..data_tmp'));
  renameSync(join(path, '..data_tmp'), join(path, '..data'));
}

function openWatches(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'FSEventWrap').length;
}

function aSource(options: Partial<ManifestsSourceOptions> & { path: string }): Source {
  const source = manifestsSource({ cluster: 'c', domain: 'cluster.local', clock: () => 1_000, ...options });
  running.push(source);
  return source;
}

async function startAt(
  path: string,
  options: Partial<ManifestsSourceOptions> = {},
  sink = new MemorySink(),
): Promise<{ source: Source; sink: MemorySink }> {
  const source = aSource({ ...options, path });
  await source.start(sink);
  return { source, sink };
}

function changeText(change: SourceChange): string {
  const key =
    change.type === 'delete' ? nameOf(change.kind, change) : nameOf(change.object.kind, change.object.metadata);
  return `${change.type} ${key}`;
}

function nameOf(
  kind: SourceKind,
  { namespace = '', name }: { readonly namespace?: string; readonly name: string },
): string {
  return `${kind} ${namespace}/${name}`;
}

/** Holds what it is told, as a log would. */
class MemorySink implements SourceSink {
  readonly objects = new Map<string, SourceObject>();
  readonly statuses: SourceStatus[] = [];
  readonly changes: SourceChange[] = [];
  readonly replaced: SourceKind[] = [];
  calls = 0;
  #failures: number;

  constructor({ failures = 0 } = {}) {
    this.#failures = failures;
  }

  replace(kind: SourceKind, objects: readonly SourceObject[]): Promise<void> {
    this.calls += 1;
    if (this.#failures > 0) {
      this.#failures -= 1;
      return Promise.reject(new Error('disk full'));
    }
    this.replaced.push(kind);
    for (const [key, { object }] of this.objects) if (object.kind === kind) this.objects.delete(key);
    for (const object of objects) this.objects.set(nameOf(kind, object.object.metadata), object);
    return Promise.resolve();
  }

  apply(changes: readonly SourceChange[]): Promise<void> {
    this.calls += 1;
    this.changes.push(...changes);
    for (const change of changes) {
      if (change.type === 'delete') this.objects.delete(nameOf(change.kind, change));
      else this.objects.set(nameOf(change.object.kind, change.object.metadata), change);
    }
    return Promise.resolve();
  }

  report(status: SourceStatus): void {
    this.calls += 1;
    this.statuses.push(status);
  }

  status(kind: SourceKind): SourceStatus | undefined {
    return this.statuses.findLast((status) => status.kind === kind);
  }

  names(): string[] {
    return [...this.objects.keys()].sort();
  }

  has(key: string): boolean {
    return this.objects.has(key);
  }

  async until(condition: () => boolean): Promise<void> {
    await until(condition, () => `did not come about; the sink holds ${this.names().join(', ')}`);
  }
}

/** Waits for a condition, and fails when it does not come. */
async function until(condition: () => boolean, failure: () => string): Promise<void> {
  const deadline = performance.now() + 4_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(failure());
    await new Promise((resolve) => setImmediate(resolve));
  }
}
