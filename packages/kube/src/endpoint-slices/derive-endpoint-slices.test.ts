import { type NodeObject, nodeObjectSchema, type ServiceObject, serviceObjectSchema } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deriveEndpointSlices } from './derive-endpoint-slices.ts';
import { type PodObject, podObjectSchema } from './pod.ts';

const nodes = new Map([aNode('node-a', 'z1'), aNode('node-b', 'z2')].map((node) => [node.metadata.name, node]));

describe('which Pods become endpoints', () => {
  const ready = { ready: true, serving: true, terminating: false };
  test.for([
    { name: 'a ready Pod', pod: {}, expected: [ready] },
    {
      name: 'a Pod that is not ready',
      pod: { isReady: false },
      expected: [{ ready: false, serving: false, terminating: false }],
    },
    {
      name: 'a terminating Pod that still serves',
      pod: { deletionTimestamp: 'now' },
      expected: [{ ready: false, serving: true, terminating: true }],
    },
    {
      name: 'a Pod not ready, where that does not matter',
      service: { publishNotReadyAddresses: true },
      pod: { isReady: false },
      expected: [{ ready: true, serving: false, terminating: false }],
    },
    {
      name: 'a terminating Pod, where that does not matter',
      service: { publishNotReadyAddresses: true },
      pod: { deletionTimestamp: 'now' },
      expected: [{ ready: true, serving: true, terminating: true }],
    },
    { name: 'a Pod that succeeded', pod: { phase: 'Succeeded' }, expected: [] },
    { name: 'a Pod that failed', pod: { phase: 'Failed' }, expected: [] },
    { name: 'a Pod without address', pod: { ips: [] }, expected: [] },
    { name: 'a Pod whose address is none', pod: { ips: ['10.0.0'] }, expected: [] },
    { name: 'a Pod of the other address family', pod: { ips: ['fd00::1'] }, expected: [] },
    { name: 'a Pod of another namespace', pod: { namespace: 'other' }, expected: [] },
    { name: 'a Pod with another label', pod: { labels: { app: 'other' } }, expected: [] },
    { name: 'a Pod on a node that is not there', pod: { nodeName: 'gone' }, expected: [] },
    {
      name: 'the same, where readiness does not matter',
      service: { publishNotReadyAddresses: true },
      pod: { nodeName: 'gone' },
      expected: [ready],
    },
  ])('$name: $expected.length', ({ service = {}, pod, expected }) => {
    const { slices } = deriveEndpointSlices({ service: aService(service), pods: [aPod(pod)], nodes });
    expect(slices).toHaveLength(1);
    expect(slices[0]?.endpoints.map(({ conditions }) => conditions)).toEqual(expected);
  });

  test('Pods without a node are named, and count where the source holds no Node at all', () => {
    const [service, pod] = [aService({}), aPod({ nodeName: 'gone' })];
    expect(deriveEndpointSlices({ service, pods: [pod], nodes }).podsWithoutNode).toEqual([pod]);
    const unknown = deriveEndpointSlices({ service, pods: [pod], nodes: new Map() });
    expect(unknown.podsWithoutNode).toEqual([]);
    expect(unknown.slices[0]?.endpoints).toMatchObject([{ nodeName: 'gone' }]);
    expect(unknown.slices[0]?.endpoints[0]?.zone).toBeUndefined();
  });

  test.for([
    { name: 'without selector', service: { selector: {} } },
    { name: 'of type ExternalName', service: { type: 'ExternalName', externalName: 'a.example' } },
  ])('a Service $name gets no slice', ({ service }) => {
    expect(deriveEndpointSlices({ service: aService(service), pods: [aPod({})], nodes }).slices).toEqual([]);
  });
});

describe('what an endpoint says', () => {
  test.for([
    { name: 'node and zone', expected: { nodeName: 'node-a', zone: 'z1' } },
    {
      name: 'the address in its one spelling',
      service: { ipFamilies: ['IPv6'] },
      pod: { ips: ['FD00:0:0::0A'] },
      expected: { addresses: ['fd00::a'] },
    },
    {
      name: 'an IPv4 address written as IPv6',
      pod: { ips: ['::ffff:10.0.0.1'] },
      expected: { addresses: ['10.0.0.1'] },
    },
    {
      name: 'the host name under the Service as subdomain',
      pod: { hostname: 'h', subdomain: 'web' },
      expected: { hostname: 'h' },
    },
    {
      name: 'no host name under another subdomain',
      pod: { hostname: 'h', subdomain: 'other' },
      expected: { hostname: undefined },
    },
    {
      name: 'a zone hint',
      service: { trafficDistribution: 'PreferSameZone' },
      expected: { hints: { forZones: [{ name: 'z1' }] } },
    },
    {
      name: 'a zone hint by the older name',
      service: { trafficDistribution: 'PreferClose' },
      expected: { hints: { forZones: [{ name: 'z1' }] } },
    },
    {
      name: 'a node hint too',
      service: { trafficDistribution: 'PreferSameNode' },
      expected: { hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'node-a' }] } },
    },
    {
      name: 'no hint while not ready',
      service: { trafficDistribution: 'PreferSameNode' },
      pod: { isReady: false },
      expected: { hints: undefined },
    },
    {
      name: 'no hint for an unknown distribution',
      service: { trafficDistribution: 'PreferMoon' },
      expected: { hints: undefined },
    },
    {
      name: 'no hint under topology mode',
      service: { trafficDistribution: 'PreferSameZone' },
      annotations: { 'service.kubernetes.io/topology-mode': 'Auto' },
      expected: { hints: undefined },
    },
    { name: 'its Pod', expected: { targetRef: { kind: 'Pod', namespace: 'shop', name: 'p' } } },
  ])('$name', ({ service = {}, pod = {}, annotations = {}, expected }) => {
    const { slices } = deriveEndpointSlices({ service: aService(service, annotations), pods: [aPod(pod)], nodes });
    const endpoint = slices[0]?.endpoints[0] as Record<string, unknown> | undefined;
    for (const [field, value] of Object.entries(expected)) expect([field, endpoint?.[field]]).toEqual([field, value]);
  });
});

describe('which slices there are', () => {
  test('Pods that give a named port other numbers are in other slices; one without it serves the rest', () => {
    const service = aService({
      ports: [
        { name: 'http', port: 80, targetPort: 'web' },
        { name: 'admin', port: 81 },
      ],
    });
    const pods = [
      aPod({ name: 'a', ports: [{ name: 'web', containerPort: 8080 }] }),
      aPod({ name: 'b', ports: [{ name: 'web', containerPort: 8081 }] }),
      aPod({ name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }),
      aPod({ name: 'd', ports: [{ name: 'web', containerPort: 8080, protocol: 'UDP' }] }),
    ];
    const { slices } = deriveEndpointSlices({ service, pods, nodes });
    const [http, admin] = [
      (port: number) => ({ name: 'http', protocol: 'TCP', port }),
      { name: 'admin', protocol: 'TCP', port: 81 },
    ];
    expect(
      slices.map(({ ports, endpoints }) => ({ ports, pods: endpoints.map(({ targetRef }) => targetRef?.name) })),
    ).toEqual([
      { ports: [http(8080), admin], pods: ['a', 'c'] },
      { ports: [http(8081), admin], pods: ['b'] },
      { ports: [admin], pods: ['d'] },
    ]);
    expect(new Set(slices.map(({ metadata }) => metadata.name)).size).toBe(3);
  });

  test('a sidecar declares ports as a container does, another init container does not', () => {
    const sidecar = (restartPolicy?: string) =>
      aPod({ initContainers: [{ restartPolicy, ports: [{ name: 'web', containerPort: 1 }] }] });
    const service = aService({ ports: [{ port: 80, targetPort: 'web' }] });
    const portsWith = (pod: PodObject) => deriveEndpointSlices({ service, pods: [pod], nodes }).slices[0]?.ports.length;
    expect([portsWith(sidecar('Always')), portsWith(sidecar())]).toEqual([1, 0]);
  });

  test.for([
    { name: 'families', service: { ipFamilies: ['IPv6', 'IPv4'] }, expected: ['IPv6', 'IPv4'] },
    {
      name: 'the address, without families',
      service: { clusterIPs: ['fd00::5'], ipFamilies: undefined },
      expected: ['IPv6'],
    },
    {
      name: 'nothing known: both',
      service: { clusterIPs: ['None'], ipFamilies: undefined },
      expected: ['IPv4', 'IPv6'],
    },
  ])('one set per family: $name', ({ service, expected }) => {
    const pods = [aPod({ ips: ['10.0.0.1', 'fd00::1'] })];
    const { slices } = deriveEndpointSlices({ service: aService(service), pods, nodes });
    expect(slices.map(({ addressType }) => addressType)).toEqual(expected);
    expect(slices.every(({ endpoints }) => endpoints.length === 1)).toBe(true);
  });

  test('a headless Service without ports has endpoints without ports, and says that it is headless', () => {
    const service = aService({ clusterIPs: ['None'], ports: [] });
    const [slice] = deriveEndpointSlices({ service, pods: [aPod({})], nodes }).slices;
    expect(slice?.ports).toEqual([]);
    expect(slice?.endpoints).toHaveLength(1);
    expect(slice?.metadata.labels).toEqual({
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'manifests.signalbox.dev',
      'service.kubernetes.io/headless': '',
    });
  });

  test.for([0, 1, 100, 101, 250])('%i Pods, a hundred a slice', (count) => {
    const { slices } = deriveEndpointSlices({ service: aService({}), pods: manyPods(count), nodes });
    expect(slices.map(({ endpoints }) => endpoints.length)).toEqual(
      count === 0 ? [0] : Array.from({ length: Math.ceil(count / 100) }, (_, i) => Math.min(100, count - i * 100)),
    );
  });

  test('the order of Pods never matters, and names stay when endpoints change', () => {
    const pods = manyPods(120);
    const service = aService({});
    const expected = deriveEndpointSlices({ service, pods, nodes });
    fc.assert(
      fc.property(fc.shuffledSubarray(pods, { minLength: pods.length }), (shuffled) => {
        expect(deriveEndpointSlices({ service, pods: shuffled, nodes })).toEqual(expected);
      }),
      { numRuns: 20 },
    );
    const fewer = deriveEndpointSlices({ service, pods: pods.slice(5), nodes });
    expect(fewer.slices.map(({ metadata }) => metadata.name)).toEqual(
      expected.slices.map(({ metadata }) => metadata.name),
    );
  });
});

function manyPods(count: number): PodObject[] {
  return Array.from({ length: count }, (_, i) => aPod({ name: `p-${i}`, ips: [`10.1.${i >> 8}.${i & 255}`] }));
}

function aService(spec: object, annotations: Record<string, string> = {}): ServiceObject {
  return serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', annotations },
    spec: { clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'], selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
  });
}

interface PodOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly deletionTimestamp?: string;
  readonly ips?: readonly string[];
  readonly isReady?: boolean;
  readonly phase?: string;
  readonly nodeName?: string;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly ports?: readonly object[];
  readonly initContainers?: readonly object[];
}

function aPod(options: PodOptions): PodObject {
  const { name = 'p', namespace = 'shop', labels = { app: 'web' }, deletionTimestamp } = options;
  const { ips = ['10.0.0.9'], isReady = true, phase = 'Running', ports = [] } = options;
  const { nodeName = 'node-a', hostname, subdomain, initContainers } = options;
  return podObjectSchema.parse({
    kind: 'Pod',
    metadata: { name, namespace, labels, deletionTimestamp },
    spec: { nodeName, hostname, subdomain, initContainers, containers: [{ ports }] },
    status: {
      phase,
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  });
}

function aNode(name: string, zone: string): NodeObject {
  return nodeObjectSchema.parse({ kind: 'Node', metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } } });
}
