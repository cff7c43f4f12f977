import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { EndpointSliceObject } from '@signalbox/contracts';
import { serviceNameOfSlice } from '@signalbox/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { problemText } from './manifest-problem.ts';
import { type Manifests, readManifests } from './read-manifests.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-manifests-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the recorded cluster, as kubectl and the API server give it', () => {
  const lists = fileURLToPath(new URL('../../../../test/fixtures/kubernetes-1.36/lists', import.meta.url));

  test('a folder with a list and its pages: everything once, and only version.json is no object', async () => {
    const read = await readManifests(lists);
    expect(countsOf(read)).toEqual({ Service: 38, EndpointSlice: 40, Node: 3, Namespace: 5 });
    expect(read.problems.map(problemText)).toEqual([
      `${lists}/version.json:1: document 1: kind is missing, so this is not a Kubernetes object`,
    ]);
    expect(read.ignored).toBe(35);
  });

  test('one page of Services alone: those with a selector have no endpoints, which an empty slice says', async () => {
    expect(countsOf(await readManifests(join(lists, 'services-page1.json')))).toEqual({
      Service: 10,
      EndpointSlice: 9,
    });
  });

  test('without slices, they are derived from the Pods', async () => {
    for (const name of ['services', 'pods', 'nodes'])
      symlinkSync(join(lists, `${name}.json`), join(folder, `${name}.json`));
    const read = await readManifests(folder);
    expect(countsOf(read)).toEqual({ Service: 38, EndpointSlice: 38, Node: 3 });
    expect(read.problems).toEqual([]);
  });
});

describe('the example', () => {
  test('reads without a problem, and shows what its files promise', async () => {
    const read = await readManifests(fileURLToPath(new URL('../../../../examples/shop', import.meta.url)));
    expect(read.problems.map(problemText)).toEqual([]);
    expect(countsOf(read)).toEqual({ Service: 7, EndpointSlice: 9, Node: 3, Namespace: 3 });
    expect(endpointsOf(read, 'storefront', 'IPv6')).toEqual([
      'storefront-1 ready zone-1',
      'storefront-2 ready zone-1',
      'storefront-3 not ready zone-2',
      'storefront-4 terminating zone-2',
    ]);
    expect(endpointsOf(read, 'database', 'IPv4')).toEqual(['database-0 ready zone-1', 'database-1 ready zone-2']);
  });
});

describe('files', () => {
  test('in order of path, with those of folders and links, each cycle once', async () => {
    mkdirSync(join(folder, 'b'));
    for (const name of ['c.yml', 'a.YAML', 'b/x.json'])
      writeFileSync(join(folder, name), namespace(name.replace(/\W/g, '-').toLowerCase()));
    symlinkSync('..', join(folder, 'b', 'up'));
    symlinkSync('nowhere', join(folder, 'dangling.yaml'));
    const read = await readManifests(folder);
    expect(read.objects.map(({ object }) => object.metadata.name)).toEqual(['a-yaml', 'b-x-json', 'c-yml']);
    expect(read.problems).toEqual([]);
  });

  test.for([
    { name: 'UTF-8 with a byte-order mark', bytes: Buffer.from(`\uFEFF${namespace('a')}`) },
    { name: 'UTF-16 as PowerShell writes it', bytes: Buffer.from(`\uFEFF${namespace('a')}`, 'utf16le') },
    { name: 'Windows line ends', bytes: Buffer.from(namespace('a').replaceAll('\n', '\r\n')) },
    {
      name: 'JSON under a YAML name',
      bytes: Buffer.from('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}}'),
    },
  ])('$name is read', async ({ bytes }) => {
    writeFileSync(join(folder, 'a.yaml'), bytes);
    expect(countsOf(await readManifests(folder))).toEqual({ Namespace: 1 });
  });

  test('a file that is too large is a problem, and is not read into memory', async () => {
    writeFileSync(join(folder, 'a.yaml'), namespace('a'));
    writeFileSync(join(folder, 'huge.json'), '{}');
    truncateSync(join(folder, 'huge.json'), 300 * 1024 * 1024);
    const read = await readManifests(folder);
    expect(countsOf(read)).toEqual({ Namespace: 1 });
    expect(read.problems.map(problemText)).toEqual([
      `${folder}/huge.json: is larger than 256 MiB; split it into several files`,
    ]);
  });

  test('YAML has a smaller limit, because it is slow to read', async () => {
    writeFileSync(join(folder, 'a.yaml'), `# ${'x'.repeat(33 * 1024 * 1024)}\n${namespace('a')}`);
    expect((await readManifests(folder)).problems.map(problemText)).toEqual([
      expect.stringContaining('a.yaml: document 1: is larger than 32 MiB, which is the most that is read as YAML'),
    ]);
  });

  test('nothing at the path', async () => {
    await expect(readManifests(join(folder, 'no'))).rejects.toMatchObject({ code: 'invalid' });
  });

  test('standard input', async () => {
    const read = await readManifests('-', { stdin: Readable.from([namespace('a'), '---\n', 'kind: Servce\n']) });
    expect(countsOf(read)).toEqual({ Namespace: 1 });
    expect(read.problems).toMatchObject([{ file: '<stdin>', document: 2, line: 5 }]);
    await expect(readManifests('-')).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('the same name twice', () => {
  test('other content is a problem that names both places; the first one is used', async () => {
    writeFileSync(join(folder, 'a.yaml'), `${service('web', '10.0.0.1')}---\n${service('web', '10.0.0.2')}`);
    writeFileSync(join(folder, 'b.yaml'), service('web', '10.0.0.3'));
    const read = await readManifests(folder);
    expect(read.objects).toMatchObject([{ object: { spec: { clusterIPs: ['10.0.0.1'] } } }]);
    const reason = `is also in ${folder}/a.yaml:1 (document 1) with other content; that one is used, rename or remove this one`;
    expect(read.problems.map(problemText)).toEqual([
      `${folder}/a.yaml:7: document 2, Service default/web: ${reason}`,
      `${folder}/b.yaml:1: document 1, Service default/web: ${reason}`,
    ]);
  });

  test.for([
    {
      name: 'equal content, however written',
      a: service('web', '10.0.0.1'),
      b: service('web', '10.0.0.1').replace('name: web', 'namespace: default, name: web'),
    },
    {
      name: 'equal but for what is not read',
      a: service('web', '10.0.0.1'),
      b: service('web', '10.0.0.1').replace('name: web', 'name: web, generation: 7'),
    },
    {
      name: 'the same version of the same object',
      a: service('web', '10.0.0.1', ', uid: u, resourceVersion: "7"'),
      b: service('web', '10.0.0.2', ', uid: u, resourceVersion: "7"'),
    },
  ])('$name is no problem', async ({ a, b }) => {
    writeFileSync(join(folder, 'a.yaml'), a);
    writeFileSync(join(folder, 'b.yaml'), b);
    const read = await readManifests(folder);
    expect(read.problems).toEqual([]);
    expect(read.objects).toHaveLength(1);
  });

  test('one name in two namespaces, or of two kinds, is two objects', async () => {
    const other = service('web', '10.0.0.2').replace('name: web', 'namespace: other, name: web');
    writeFileSync(join(folder, 'a.yaml'), [service('web', '10.0.0.1'), other, namespace('web')].join('---\n'));
    expect(countsOf(await readManifests(folder))).toEqual({ Service: 2, Namespace: 1 });
  });
});

test('a Pod on a node that is not there is named with its file and Service', async () => {
  const selecting = `${service('web', '10.0.0.1')}  selector: { app: web }\n`;
  const node = 'apiVersion: v1\nkind: Node\nmetadata: { name: node-a }\n';
  const pod =
    'apiVersion: v1\nkind: Pod\nmetadata: { name: p, labels: { app: web } }\nspec: { nodeName: gone }\nstatus: { podIP: 10.1.0.1 }\n';
  writeFileSync(join(folder, 'a.yaml'), [selecting, node, pod].join('---\n'));
  const read = await readManifests(folder);
  expect(read.problems.map(problemText)).toEqual([
    `${folder}/a.yaml:12: document 3, Pod default/p: there is no Node "gone", so this Pod is no endpoint of Service default/web`,
  ]);
});

function service(name: string, address: string, metadata = ''): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}${metadata} }\nspec:\n  clusterIP: ${address}\n`;
}

function namespace(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;
}

function countsOf({ objects }: Manifests): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { object } of objects) counts[object.kind] = (counts[object.kind] ?? 0) + 1;
  return counts;
}

function endpointsOf({ objects }: Manifests, service: string, family: string): string[] {
  return objects
    .map(({ object }) => object)
    .filter((object): object is EndpointSliceObject => object.kind === 'EndpointSlice')
    .filter((slice) => serviceNameOfSlice(slice) === service && slice.addressType === family)
    .flatMap(({ endpoints }) => endpoints)
    .map(({ targetRef, conditions, zone }) => {
      const state = conditions?.terminating ? 'terminating' : conditions?.ready ? 'ready' : 'not ready';
      return `${targetRef?.name} ${state} ${zone}`;
    });
}
