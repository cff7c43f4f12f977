import {
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type NodeObject,
  nodeObjectSchema,
  type Registration,
  type ServiceView,
  serviceObjectSchema,
} from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRegistrations } from './compile-registrations.ts';

interface NodeParts {
  readonly name: string;
  readonly address?: string;
  readonly isReady?: boolean;
  readonly labels?: Record<string, string>;
  readonly taints?: readonly { key: string }[];
  readonly deletionTimestamp?: string;
}

function aNode({ name, address, isReady = true, labels = {}, taints = [], ...rest }: NodeParts): NodeObject {
  return nodeObjectSchema.parse({
    kind: 'Node',
    metadata: { name, labels: { 'topology.kubernetes.io/zone': 'z1', ...labels }, ...rest },
    spec: { taints },
    status: {
      addresses: [{ type: 'InternalIP', address: address ?? `10.240.0.${name.charCodeAt(0) - 96}` }],
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  });
}

function aSlice(endpoints: readonly object[], name = 'web-1'): EndpointSliceObject {
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 8080 }],
  });
}

function aView(spec: object, parts: Partial<ServiceView> = {}, status: object = {}): ServiceView {
  const service = serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'web' },
    spec: {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.5'],
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
      ...spec,
    },
    status: { loadBalancer: status },
  });
  return { cluster: { name: 'eu', domain: 'cluster.local' }, service, slices: [], nodes: [], ...parts };
}

function only(view: ServiceView): Registration {
  const [registration, ...others] = compileRegistrations(view).document?.registrations ?? [];
  expect(others).toEqual([]);
  if (registration === undefined) throw new Error('no registration');
  return registration;
}

const addressesOf = (registration: Registration): string[] => registration.targets.map((target) => target.address);

describe('which nodes are targets', () => {
  test.for([
    { name: 'a ready node is one', node: aNode({ name: 'b' }), isTarget: true },
    { name: 'a node that is not ready is none', node: aNode({ name: 'b', isReady: false }), isTarget: false },
    {
      name: 'an excluded node is none, whatever the value of the label',
      node: aNode({ name: 'b', labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } }),
      isTarget: false,
    },
    {
      name: 'a node that the autoscaler deletes is none',
      node: aNode({ name: 'b', taints: [{ key: 'ToBeDeletedByClusterAutoscaler' }] }),
      isTarget: false,
    },
    {
      name: 'a node that is being deleted is none',
      node: aNode({ name: 'b', deletionTimestamp: '2026-01-01T00:00:00Z' }),
      isTarget: false,
    },
    { name: 'a node of another family is none', node: aNode({ name: 'b', address: 'fd00::2' }), isTarget: false },
  ])('$name', ({ node, isTarget }) => {
    const addresses = addressesOf(only(aView({}, { nodes: [aNode({ name: 'a' }), node] })));
    expect(addresses).toEqual(isTarget ? ['10.240.0.1', '10.240.0.2'] : ['10.240.0.1']);
  });

  test('with externalTrafficPolicy Local only those with a ready endpoint are, checked at the health check port', () => {
    const slices = [
      aSlice([
        { addresses: ['10.244.1.1'], nodeName: 'a', conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ['10.244.2.1'], nodeName: 'b' },
      ]),
    ];
    const nodes = [aNode({ name: 'a' }), aNode({ name: 'b' })];
    const registration = only(aView({ externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 }, { slices, nodes }));
    expect(addressesOf(registration)).toEqual(['10.240.0.2']);
    expect(registration.healthCheck).toEqual({ type: 'http', port: 31_000, path: '/healthz' });
  });
});

describe('a policy', () => {
  const policy = (spec: object): Partial<ServiceView> => ({ loadBalancerPolicy: { loadBalancerClass: '', ...spec } });
  const cordoned = { ...aNode({ name: 'b' }), spec: { unschedulable: true } };
  const notReady = aNode({ name: 'b', isReady: false });

  test.for([
    { name: 'keeps cordoned nodes unless it says otherwise', node: cordoned, spec: {}, isTarget: true },
    { name: 'may exclude cordoned nodes', node: cordoned, spec: { excludeCordonedNodes: true }, isTarget: false },
    {
      name: 'may leave readiness to health checks',
      node: notReady,
      spec: { excludeNotReadyNodes: false },
      isTarget: true,
    },
  ])('$name', ({ node, spec, isTarget }) => {
    const addresses = addressesOf(only(aView({}, { nodes: [aNode({ name: 'a' }), node], ...policy(spec) })));
    expect(addresses).toEqual(isTarget ? ['10.240.0.1', '10.240.0.2'] : ['10.240.0.1']);
  });

  test('chooses what targets are, unless the Service does', () => {
    const parts = { slices: [aSlice([{ addresses: ['10.244.1.1'] }])], nodes: [aNode({ name: 'a' })] };
    const pods = aView({}, { ...parts, ...policy({ targetType: 'pod' }) });
    expect(only(pods).targets).toMatchObject([{ type: 'pod', address: '10.244.1.1', port: 8080 }]);
    expect(only(pods).healthCheck).toEqual({ type: 'tcp', port: 8080 });
    const annotations = { 'signalbox.dev/lb-target-type': 'node' };
    const { service } = pods;
    const nodes = { ...pods, service: { ...service, metadata: { ...service.metadata, annotations } } };
    expect(only(nodes).targets).toMatchObject([{ type: 'node', address: '10.240.0.1', port: 30_080 }]);
  });
});

test('nodes weigh what they say, and as many as they have endpoints where that is asked for', () => {
  const weighty = aNode({ name: 'b' });
  const nodes = [
    aNode({ name: 'a' }),
    { ...weighty, metadata: { ...weighty.metadata, annotations: { 'signalbox.dev/lb-weight': '3' } } },
  ];
  const slices = [aSlice(['a', 'a', 'b'].map((nodeName, i) => ({ addresses: [`10.244.1.${i}`], nodeName })))];
  const view = aView({ externalTrafficPolicy: 'Local' }, { nodes, slices });
  const weightsOf = (each: ServiceView): number[] => only(each).targets.map(({ weight }) => weight);
  expect(weightsOf(view)).toEqual([1, 3]);
  const annotations = { 'signalbox.dev/lb-weighting': 'pods-per-node' };
  const { service } = view;
  expect(weightsOf({ ...view, service: { ...service, metadata: { ...service.metadata, annotations } } })).toEqual([
    2, 3,
  ]);
});

describe('without a node port the endpoints are targets', () => {
  const spec = { ports: [{ name: 'http', port: 80 }], allocateLoadBalancerNodePorts: false };

  test('ready ones active, terminating ones that serve draining, others not at all', () => {
    const slices = [
      aSlice([
        { addresses: ['10.244.1.3'], conditions: { ready: false } },
        { addresses: ['10.244.1.2'], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ['10.244.1.1'], nodeName: 'a', zone: 'z1', targetRef: { kind: 'Pod', name: 'web-0' } },
      ]),
    ];
    const registration = only(aView(spec, { slices }));
    expect(registration.targets.map(({ address, port, state }) => ({ address, port, state }))).toEqual([
      { address: '10.244.1.1', port: 8080, state: 'active' },
      { address: '10.244.1.2', port: 8080, state: 'draining' },
    ]);
    expect(registration.targets[0]).toMatchObject({ node: 'a', zone: 'z1', pod: 'web-0', weight: 1 });
    expect(registration.healthCheck).toEqual({ type: 'tcp', port: 8080 });
  });

  test('the health check does not change when no endpoint is ready', () => {
    const slices = [aSlice([{ addresses: ['10.244.1.1'], conditions: { ready: false } }])];
    expect(only(aView(spec, { slices }))).toMatchObject({ targets: [], healthCheck: { type: 'tcp', port: 8080 } });
  });

  test('with a readiness gate those that are not ready yet are targets without weight', () => {
    const slices = [
      aSlice([
        { addresses: ['10.244.1.4'], conditions: { ready: false, serving: false, terminating: true } },
        { addresses: ['10.244.1.3'], conditions: { ready: false, serving: false, terminating: false } },
        { addresses: ['10.244.1.1'] },
      ]),
      aSlice([{ addresses: ['10.244.1.1'], conditions: { ready: false } }], 'web-0'),
    ];
    const view = aView(spec, { slices });
    const annotations = { 'signalbox.dev/lb-readiness-gate': 'true' };
    const gated = only({ ...view, service: { ...view.service, metadata: { ...view.service.metadata, annotations } } });
    expect(gated.hasReadinessGate).toBe(true);
    expect(gated.targets.map(({ address, weight, state }) => ({ address, weight, state }))).toEqual([
      { address: '10.244.1.1', weight: 1, state: 'active' },
      { address: '10.244.1.3', weight: 0, state: 'active' },
    ]);
  });

  test('an address in two slices counts once, and active wins', () => {
    const draining = { addresses: ['10.244.1.1'], conditions: { ready: false, serving: true, terminating: true } };
    const slices = [aSlice([draining], 'web-1'), aSlice([{ addresses: ['10.244.1.1'] }], 'web-2')];
    for (const order of [slices, slices.toReversed()]) {
      expect(only(aView(spec, { slices: order })).targets).toMatchObject([{ address: '10.244.1.1', state: 'active' }]);
    }
  });
});

test('every port has a registration, with the addresses that the load balancer has', () => {
  const ports = [
    { name: 'http', port: 80, nodePort: 30_080 },
    { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_053 },
  ];
  const status = { ingress: [{ ip: '203.0.113.7' }, { hostname: 'lb.example.com' }] };
  const view = aView({ ports, loadBalancerClass: 'example.com/f5' }, { nodes: [aNode({ name: 'a' })] }, status);
  const registrations = compileRegistrations(view).document?.registrations;
  expect(registrations).toMatchObject([
    { id: 'eu/shop/web:80/TCP', healthCheck: { type: 'tcp', port: 30_080 } },
    { id: 'eu/shop/web:53/UDP', healthCheck: { type: 'http', port: 10_256, path: '/healthz' } },
  ]);
  for (const registration of registrations ?? []) {
    expect(registration).toMatchObject({ addresses: ['203.0.113.7'], hostnames: ['lb.example.com'] });
    expect(registration.loadBalancerClass).toBe('example.com/f5');
  }
});

test('a requested address counts while none is allocated', () => {
  expect(only(aView({ loadBalancerIP: '203.0.113.9' })).addresses).toEqual(['203.0.113.9']);
});

test.for(['ClusterIP', 'NodePort', 'ExternalName'])('a %s Service has no document', (type) => {
  expect(compileRegistrations(aView({ type }))).toEqual({ document: undefined, skipped: [] });
});

test('bad addresses are left out and named, the rest stays', () => {
  const status = { ingress: [{ ip: '010.0.0.1' }, { ip: '203.0.113.7' }] };
  const spec = { loadBalancerSourceRanges: ['192.0.2.0/24', '192.0.2.0/33', 'x"; flush'] };
  const nodes = [aNode({ name: 'a', address: 'nowhere' }), aNode({ name: 'b' })];
  const { document, skipped } = compileRegistrations(aView(spec, { nodes }, status));
  expect(document?.registrations).toMatchObject([{ addresses: ['203.0.113.7'], sourceRanges: ['192.0.2.0/24'] }]);
  expect(skipped.map(({ path }) => path)).toEqual([
    'status.loadBalancer.ingress[0].ip',
    'spec.loadBalancerSourceRanges[1]',
    'spec.loadBalancerSourceRanges[2]',
    'Node a',
  ]);
});

test('the order of nodes, slices and endpoints never matters', () => {
  const endpoints = [1, 2, 3].map((n) => ({ addresses: [`10.244.1.${n}`], nodeName: 'abc'[n - 1] }));
  const nodes = ['a', 'b', 'c'].map((name) => aNode({ name }));
  const slices = endpoints.map((endpoint, i) => aSlice([endpoint], `web-${i}`));
  const shuffled = <T>(items: T[]): fc.Arbitrary<T[]> => fc.shuffledSubarray(items, { minLength: items.length });
  const wanted = compileRegistrations(aView({ externalTrafficPolicy: 'Local' }, { nodes, slices }));
  fc.assert(
    fc.property(shuffled(nodes), shuffled(slices), (someNodes, someSlices) => {
      const view = aView({ externalTrafficPolicy: 'Local' }, { nodes: someNodes, slices: someSlices });
      expect(compileRegistrations(view)).toEqual(wanted);
    }),
  );
});
