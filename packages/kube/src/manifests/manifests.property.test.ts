/** Whatever the order and the spelling of documents, the objects are the same; whatever the bytes, reading ends. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { type MergedManifests, mergeManifests } from './merge-manifests.ts';
import { parseManifest } from './parse-manifest.ts';

vi.setConfig({ testTimeout: 60_000 });

const example = ['nodes', 'namespaces', 'kube-system', 'storefront', 'database', 'payments'].map((name) => {
  const url = new URL(`../../../../examples/shop/${name}.yaml`, import.meta.url);
  return { file: `${name}.yaml`, text: readFileSync(url, 'utf8') };
});
const documents = example.flatMap(({ text }) => text.split(/^---\n/m));
const expected = mergeManifests(example.map(parseManifest));

describe('the order of documents and files never matters', () => {
  test('any order, any spread over files', () => {
    const anyOrder = fc.shuffledSubarray(documents, { minLength: documents.length });
    fc.assert(
      fc.property(anyOrder, fc.integer({ min: 1, max: documents.length }), (shuffled, perFile) => {
        const files = Array.from({ length: Math.ceil(shuffled.length / perFile) }, (_, i) => ({
          file: `${i}.yaml`,
          text: shuffled.slice(i * perFile, (i + 1) * perFile).join('---\n'),
        }));
        expect(sorted(mergeManifests(files.map(parseManifest)))).toEqual(sorted(expected));
      }),
      { numRuns: 30 },
    );
  });
});

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
const aService = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Service'),
  metadata: fc.record({
    name: label,
    namespace: label,
    labels: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
  }),
  spec: fc.record({
    clusterIP: fc.ipV4(),
    selector: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
    ports: fc.array(
      fc.record({
        name: label,
        port: fc.integer({ min: 1, max: 65_535 }),
        targetPort: fc.oneof(label, fc.integer({ min: 1, max: 65_535 })),
      }),
      { maxLength: 3 },
    ),
    externalName: fc.string(),
  }),
});

test('YAML, JSON and lists of the same objects give the same objects', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(aService, { maxLength: 4, selector: ({ metadata }) => `${metadata.namespace}/${metadata.name}` }),
      (services) => {
        const list = { apiVersion: 'v1', kind: 'List', items: services };
        const [fromJson, ...others] = [
          JSON.stringify(list),
          stringify(list),
          services.map((service) => stringify(service)).join('---\n'),
          JSON.stringify(list, null, 2).replace(/^/, '# not plain JSON any more\n'),
        ].map((text) => mergeManifests([parseManifest({ file: 'f', text })]));
        expect(fromJson?.problems).toEqual([]);
        expect([...(fromJson?.objects.values() ?? [])].filter(({ kind }) => kind === 'Service')).toHaveLength(
          services.length,
        );
        for (const other of others) expect(other).toEqual(fromJson);
      },
    ),
    { numRuns: 100 },
  );
});

describe('reading never throws', () => {
  test('on any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        readAll(text);
      }),
      { numRuns: 500 },
    );
  });

  test('on manifests cut, doubled and overwritten at random', () => {
    const [text] = example.filter(({ file }) => file === 'storefront.yaml').map((file) => file.text);
    const place = fc.nat({ max: text?.length ?? 0 });
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('{', '[', '&a ', '*a', '- ', '\t', '"', ': ', '---\n', '!!binary ', '<<: ', '? ', 'null', '|\n'),
    );
    const mutation = fc.tuple(place, fc.nat({ max: 40 }), piece);
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 5 }), (mutations) => {
        let mutated = text ?? '';
        for (const [at, length, inserted] of mutations)
          mutated = mutated.slice(0, at) + inserted + mutated.slice(at + length);
        readAll(mutated);
      }),
      { numRuns: 150 },
    );
  });

  test('on any value in the place of a field, which leaves out that object only', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('metadata', 'spec', 'status', 'kind', 'apiVersion', 'items'),
        fc.jsonValue(),
        (field, value) => {
          const good = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'good' } };
          const odd = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'odd' }, spec: {}, [field]: value };
          const { objects, problems } = readAll(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [odd, good] }));
          expect(objects.has('Namespace//good')).toBe(true);
          for (const problem of problems) expect(problem.reason).not.toBe('');
        },
      ),
      { numRuns: 300 },
    );
  });
});

function readAll(text: string): MergedManifests {
  return mergeManifests([parseManifest({ file: 'f', text })]);
}

function sorted({ objects, problems }: MergedManifests): unknown {
  return { objects: [...objects].sort(([a], [b]) => (a < b ? -1 : 1)), problems };
}
