import { describe, expect, test } from 'vitest';
import { problemText } from './manifest-problem.ts';
import { parseManifest } from './parse-manifest.ts';

const GOOD = 'apiVersion: v1\nkind: Namespace\nmetadata: { name: good }\n';

describe('what is left out says where, what and why; what is around it is read', () => {
  test.for([
    {
      name: 'a broken YAML document',
      text: 'kind: Service\n  metadata: x\n',
      problems: [/^f\.yaml:5: document 2: is not valid YAML: .*\((BAD_INDENT|BLOCK_AS_IMPLICIT_KEY)\)$/],
    },
    {
      name: 'an unclosed flow mapping',
      text: 'apiVersion: v1\nkind: Service\nmetadata: { name: a\n',
      problems: [/^f\.yaml:\d+: document 2: is not valid YAML: /],
    },
    {
      name: 'a key that is there twice',
      text: 'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b\n',
      problems: ['f.yaml:9: document 2: key "name" is there twice'],
    },
    {
      name: 'a document without kind',
      text: 'major: "1"\nminor: "36"\n',
      problems: ['f.yaml:5: document 2: kind is missing, so this is not a Kubernetes object'],
    },
    {
      name: 'a document that is not a mapping',
      text: 'just text\n',
      problems: ['f.yaml:5: document 2: is not a Kubernetes object: a mapping with kind, apiVersion and metadata'],
    },
    {
      name: 'a misspelt kind',
      text: 'apiVersion: v1\nkind: Servce\nmetadata: { name: a }\n',
      problems: [
        'f.yaml:6: document 2: unknown kind "Servce" in v1; did you mean Service (apiVersion: v1)? Kinds read: Service, EndpointSlice, Node, Namespace, Pod',
      ],
    },
    {
      name: 'a kind that is like no other',
      text: 'apiVersion: v1\nkind: Foo\nmetadata: { name: a }\n',
      problems: [/unknown kind "Foo" in v1; kinds read: Service, EndpointSlice, Node, Namespace, Pod$/],
    },
    {
      name: 'a kind in lower case',
      text: 'apiVersion: v1\nkind: namespace\nmetadata: { name: a }\n',
      problems: [/did you mean Namespace \(apiVersion: v1\)\?/],
    },
    {
      name: 'a list of lists of lists',
      text: `apiVersion: v1\nkind: ${'List'.repeat(50_000)}\nitems: []\n`,
      problems: [/unknown kind "ListList.*…" in v1/],
    },
    {
      name: 'a kind in the wrong group',
      text: 'apiVersion: v1\nkind: EndpointSlice\nmetadata: { name: a }\n',
      problems: [
        /unknown kind "EndpointSlice" in v1; did you mean EndpointSlice \(apiVersion: discovery\.k8s\.io\/v1\)\?/,
      ],
    },
    {
      name: 'a misspelt group',
      text: 'apiVersion: dicovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: a }\n',
      problems: [/unknown API group "dicovery\.k8s\.io"; did you mean discovery\.k8s\.io\?/],
    },
    {
      name: 'an old version of a kind',
      text: 'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: { name: a }\n',
      problems: [/"discovery\.k8s\.io\/v1beta1" of EndpointSlice is not read; convert it to discovery\.k8s\.io\/v1$/],
    },
    {
      name: 'no apiVersion',
      text: 'kind: Service\nmetadata: { name: a }\nspec: {}\n',
      problems: [/document 2: apiVersion is missing; a Service has "apiVersion: v1"$/],
    },
    {
      name: 'no name',
      text: 'apiVersion: v1\nkind: Service\nmetadata: { generateName: a- }\nspec: {}\n',
      problems: ['f.yaml:7: document 2: metadata.name of this Service is missing'],
    },
    {
      name: 'fields that the API would refuse',
      text: 'apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec:\n  type: Cluster\n  ports:\n    - port: 80\n    - port: 99999\n',
      problems: [
        /^f\.yaml:9: document 2, Service default\/web: spec\.type: Invalid option: .*; spec\.ports\[1\]\.port: Too big/,
      ],
    },
    {
      name: 'a field that may be two things and is neither',
      text: 'apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec:\n  ports:\n    - port: 80\n      targetPort: 0\n',
      problems: [/^f\.yaml:11: .*spec\.ports\[0\]\.targetPort: Too small: expected number to be >=1$/],
    },
    {
      name: 'an alias bomb',
      text: `a: &a [x, x, x, x, x, x, x, x, x, x]\n${'bcdefgh'
        .split('')
        .map((c, i) => `${c}: &${c} [${Array(10).fill(`*${'abcdefg'[i]}`).join(', ')}]`)
        .join('\n')}\n`,
      problems: [/document 2: cannot be read: Excessive alias count/],
    },
    {
      name: 'an alias of nothing',
      text: 'apiVersion: v1\nkind: Service\nmetadata: *nothing\n',
      problems: [/document 2: (is not valid YAML|cannot be read): .*[Aa]lias/],
    },
    {
      name: 'nesting without end',
      text: `${'- '.repeat(50_000)}x\n`,
      problems: [/RESOURCE_EXHAUSTION|is not|cannot be read/],
    },
  ])('$name', ({ text, problems }) => {
    const read = parseManifest({ file: 'f.yaml', text: `${GOOD}---\n${text}` });
    expect(read.problems.map(problemText)).toEqual(
      problems.map((expected) => (typeof expected === 'string' ? expected : expect.stringMatching(expected))),
    );
    expect(read.objects.map(({ ref }) => ref.name)).toEqual(['good']);
  });

  test('a broken document does not hide the ones after it', () => {
    const read = parseManifest({ file: 'f', text: `${GOOD}---\nkind: {\n---\n${GOOD.replace('good', 'later')}` });
    expect(read.objects.map(({ ref }) => ref.name)).toEqual(['good', 'later']);
    expect(read.problems).toMatchObject([{ document: 2 }]);
  });

  test('broken JSON is a problem with its line', () => {
    const read = parseManifest({ file: 'f.json', text: '{\n  "kind": "Service",\n  "metadata": ]\n}\n' });
    expect(read.problems).toMatchObject([{ document: 1, line: 3 }]);
  });

  test('a bad item of a JSON list is found by line', () => {
    const items = [namespaceItem('a'), { metadata: { name: 'NO' } }, namespaceItem('c')];
    const list = { kind: 'NamespaceList', apiVersion: 'v1', items };
    const read = parseManifest({ file: 'f.json', text: JSON.stringify(list, null, 2) });
    expect(read.problems.map(problemText)).toEqual([
      'f.json:12: document 1, Namespace NO: metadata.name: must be a lower-case DNS label',
    ]);
    expect(read.objects.map(({ ref }) => ref.name)).toEqual(['a', 'c']);
  });
});

describe('what is read, and what is passed over', () => {
  test.for([
    { name: 'other core kinds', text: 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n', ignored: 1 },
    { name: 'other groups', text: 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\n', ignored: 1 },
    {
      name: 'kinds of other groups with a name that is read',
      text: 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: a }\n',
      ignored: 1,
    },
    { name: 'items of a list', text: 'apiVersion: v1\nkind: EndpointsList\nitems: [{}, {}]\n', ignored: 2 },
    { name: 'empty documents', text: '---\n---\n# only a comment\n---\n', ignored: 0 },
    { name: 'nothing at all', text: '', ignored: 0 },
    { name: 'a list of nothing', text: 'apiVersion: v1\nkind: List\nitems: null\n', ignored: 0 },
  ])('$name: no object and no problem', ({ text, ignored }) => {
    expect(parseManifest({ file: 'f', text })).toEqual({ file: 'f', objects: [], problems: [], ignored });
  });

  test.for([
    { name: 'List', head: { kind: 'List', apiVersion: 'v1' }, item: { kind: 'Service', apiVersion: 'v1' } },
    { name: 'a typed list', head: { kind: 'ServiceList', apiVersion: 'v1' }, item: {} },
    {
      name: 'a typed list whose items have kinds',
      head: { kind: 'ServiceList', apiVersion: 'v1' },
      item: { kind: 'Service', apiVersion: 'v1' },
    },
  ])('items of $name', ({ head, item }) => {
    const items = ['a', 'b'].map((name) => ({
      ...item,
      metadata: { name, namespace: 'shop' },
      spec: { clusterIPs: ['10.0.0.1'] },
    }));
    const read = parseManifest({ file: 'f', text: JSON.stringify({ ...head, items }) });
    expect(read.problems).toEqual([]);
    expect(read.objects.map(({ ref }) => ref)).toEqual([
      { kind: 'Service', namespace: 'shop', name: 'a' },
      { kind: 'Service', namespace: 'shop', name: 'b' },
    ]);
  });

  test.for([
    {
      name: 'clusterIPs from clusterIP',
      spec: 'clusterIP: 10.0.0.1',
      expected: { clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] },
    },
    {
      name: 'families of both addresses',
      spec: "clusterIPs: ['fd00::1', 10.0.0.1]",
      expected: { ipFamilies: ['IPv6', 'IPv4'] },
    },
    {
      name: 'given families as they are',
      spec: 'clusterIP: None\n  ipFamilies: [IPv6]',
      expected: { clusterIPs: ['None'], ipFamilies: ['IPv6'] },
    },
    {
      name: 'no families for headless',
      spec: 'clusterIP: None',
      expected: { clusterIPs: ['None'], ipFamilies: undefined },
    },
    {
      name: 'no address where none is given',
      spec: 'ports: [{ port: 80 }]',
      expected: { clusterIPs: [], ipFamilies: undefined },
    },
    {
      name: 'null fields as absent ones',
      spec: 'selector: null\n  ports: null\n  type: null',
      expected: { type: 'ClusterIP', ports: [], selector: undefined },
    },
  ])('a Service gets $name', ({ spec, expected }) => {
    const { objects, problems } = parseManifest({
      file: 'f',
      text: `apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec:\n  ${spec}\n`,
    });
    expect(problems).toEqual([]);
    expect(objects[0]?.object).toMatchObject({ metadata: { namespace: 'default' }, spec: {} });
    const [
      {
        object: { spec: read },
      } = { object: { spec: {} } },
    ] = objects as unknown as Read[];
    for (const [field, value] of Object.entries(expected)) expect([field, read[field]]).toEqual([field, value]);
  });

  test('merge keys and anchors work as kubectl reads them', () => {
    const text = 'base: &base\n  apiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n<<: *base\n';
    expect(parseManifest({ file: 'f', text }).objects.map(({ ref }) => ref.name)).toEqual(['a']);
  });
});

interface Read {
  readonly object: { readonly spec: Readonly<Record<string, unknown>> };
}

function namespaceItem(name: string): object {
  return { metadata: { name } };
}
