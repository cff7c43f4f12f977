import {
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type ProxyPlan,
  proxyPlanSchema,
  type ServiceObject,
  serviceObjectSchema,
} from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { recordedViews } from '../../../test/packets/recorded-cluster.ts';
import { compileProxyPlan } from './index.ts';

interface ServiceParts {
  readonly labels?: Record<string, string>;
  readonly spec?: object;
  readonly ingress?: readonly object[];
}

function aService({ labels = {}, spec = {}, ingress = [] }: ServiceParts = {}): ServiceObject {
  return serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', labels },
    spec: { clusterIPs: ['10.96.0.10'], ports: [{ port: 80 }], ...spec },
    status: { loadBalancer: { ingress } },
  });
}

function aSlice(name: string, endpoints: readonly object[], rest: object = {}): EndpointSliceObject {
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints,
    ...rest,
  });
}

function compile(service: ServiceObject, slices: readonly EndpointSliceObject[] = []) {
  return compileProxyPlan({ cluster: { name: 'c1', domain: 'cluster.local' }, service, slices, nodes: [] });
}

function planOf(service: ServiceObject, slices: readonly EndpointSliceObject[] = []): ProxyPlan {
  const { document } = compile(service, slices);
  if (document === undefined) throw new Error('expected a plan');
  return document;
}

function addressesOf(plan: ProxyPlan): string[] {
  return plan.ports.flatMap((port) => port.endpoints.map((endpoint) => `${endpoint.address}:${endpoint.port}`));
}

describe('a service without a plan', () => {
  test.for<{ name: string; service: ServiceObject }>([
    { name: 'is headless', service: aService({ spec: { clusterIPs: ['None'] } }) },
    { name: 'has no cluster IP yet', service: aService({ spec: { clusterIPs: [] } }) },
    { name: 'is an ExternalName', service: aService({ spec: { type: 'ExternalName', externalName: 'a.example' } }) },
    {
      name: 'belongs to another proxy',
      service: aService({ labels: { 'service.kubernetes.io/service-proxy-name': '' } }),
    },
    { name: 'is labelled headless', service: aService({ labels: { 'service.kubernetes.io/headless': '' } }) },
  ])('$name', ({ service }) => {
    expect(compile(service)).toEqual({ document: undefined, skipped: [] });
  });
});

describe('addresses', () => {
  test('are kept in canonical form, each once', () => {
    const plan = planOf(
      aService({
        spec: { clusterIPs: ['10.96.0.10', 'FD00:0::0A'], externalIPs: ['203.0.113.5', '203.0.113.005'] },
        ingress: [
          { ip: '203.0.113.9' },
          { ip: '203.0.113.10', ipMode: 'VIP' },
          { ip: '203.0.113.11', ipMode: 'Proxy' },
          { hostname: 'lb.example' },
        ],
      }),
    );
    expect(plan).toMatchObject({
      clusterIPs: ['10.96.0.10', 'fd00::a'],
      externalIPs: ['203.0.113.5'],
      loadBalancerVIPs: ['203.0.113.9', '203.0.113.10'],
    });
  });

  test('that cannot be read are skipped with their path, and the rest is kept', () => {
    const service = aService({
      spec: {
        clusterIPs: ['10.96.0.10'],
        externalIPs: ['203.0.113.5', '1.2.3.4"; drop'],
        loadBalancerSourceRanges: ['192.0.2.1/24', 'x'],
      },
      ingress: [{ ip: 'nonsense' }, { ip: '203.0.113.9' }],
    });
    const { document, skipped } = compile(service, [
      aSlice('web-1', [{ addresses: ['10.244.1.1'] }, { addresses: ['fd00::1'] }]),
    ]);
    expect(document).toMatchObject({
      externalIPs: ['203.0.113.5'],
      loadBalancerVIPs: ['203.0.113.9'],
      loadBalancerSourceRanges: ['192.0.2.0/24'],
    });
    expect(skipped).toEqual([
      { path: 'spec.externalIPs[1]', reason: '"1.2.3.4\\"; drop" is not an IP address' },
      { path: 'spec.loadBalancerSourceRanges[1]', reason: '"x" is not a CIDR' },
      { path: 'status.loadBalancer.ingress[0].ip', reason: '"nonsense" is not an IP address' },
      { path: 'endpointslices[web-1].endpoints[1].addresses[0]', reason: '"fd00::1" is not an IPv4 address' },
    ]);
  });

  test('of a load balancer are left out when no source range can be read: without ranges they would be open', () => {
    const service = aService({ spec: { loadBalancerSourceRanges: ['x'] }, ingress: [{ ip: '203.0.113.9' }] });
    expect(planOf(service).loadBalancerVIPs).toEqual([]);
  });
});

describe('policies', () => {
  test.for<{ name: string; spec: object; expected: Partial<ProxyPlan> }>([
    {
      name: 'default to Cluster',
      spec: {},
      expected: { internalTrafficPolicy: 'Cluster', externalTrafficPolicy: 'Cluster' },
    },
    {
      name: 'ignore an external policy where there is no external traffic',
      spec: { externalTrafficPolicy: 'Local' },
      expected: { externalTrafficPolicy: 'Cluster' },
    },
    {
      name: 'follow it for external IPs',
      spec: { externalTrafficPolicy: 'Local', externalIPs: ['203.0.113.5'] },
      expected: { externalTrafficPolicy: 'Local' },
    },
    {
      name: 'give a health check to local load balancers',
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_100 },
      expected: { healthCheckNodePort: 30_100 },
    },
    {
      name: 'default the affinity timeout to three hours',
      spec: { sessionAffinity: 'ClientIP' },
      expected: { sessionAffinitySeconds: 10_800 },
    },
  ])('$name', ({ spec, expected }) => {
    expect(planOf(aService({ spec }))).toMatchObject(expected);
  });

  test('give no health check to others', () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster', healthCheckNodePort: 30_100 };
    expect(planOf(aService({ spec }))).not.toHaveProperty('healthCheckNodePort');
  });
});

describe('endpoints', () => {
  test('take nil conditions as the API reference says', () => {
    const slice = aSlice('web-1', [
      { addresses: ['10.244.1.1'] },
      { addresses: ['10.244.1.2'], conditions: { ready: false } },
    ]);
    expect(planOf(aService(), [slice]).ports[0]?.endpoints).toEqual([
      { address: '10.244.1.1', family: 'IPv4', port: 8080, ready: true, serving: true, terminating: false },
      { address: '10.244.1.2', family: 'IPv4', port: 8080, ready: false, serving: true, terminating: false },
    ]);
  });

  test('keep node, zone and hints', () => {
    const endpoint = {
      addresses: ['10.244.1.1'],
      nodeName: 'n1',
      zone: 'z1',
      hints: { forZones: [{ name: 'z2' }, { name: 'z1' }], forNodes: [{ name: 'n1' }] },
    };
    expect(planOf(aService(), [aSlice('web-1', [endpoint])]).ports[0]?.endpoints[0]).toMatchObject({
      node: 'n1',
      zone: 'z1',
      hintZones: ['z1', 'z2'],
      hintNodes: ['n1'],
    });
  });

  test('in several slices are one, and the first slice by name counts', () => {
    const late = aSlice('web-2', [
      { addresses: ['10.244.1.1'], conditions: { ready: false } },
      { addresses: ['10.244.1.2'] },
    ]);
    const early = aSlice('web-1', [{ addresses: ['10.244.1.1'] }]);
    const plan = planOf(aService(), [late, early]);
    expect(addressesOf(plan)).toEqual(['10.244.1.1:8080', '10.244.1.2:8080']);
    expect(plan.ports[0]?.endpoints[0]?.ready).toBe(true);
    expect(planOf(aService(), [early, late])).toEqual(plan);
  });

  test('that have the address of one that terminates go before it, on whatever node', () => {
    const old = { addresses: ['10.244.1.1'], nodeName: 'n1', conditions: { ready: false, terminating: true } };
    const fresh = { addresses: ['10.244.1.1'], nodeName: 'n2' };
    for (const slices of [[aSlice('web-1', [old, fresh])], [aSlice('web-1', [fresh]), aSlice('web-2', [old])]]) {
      expect(planOf(aService(), slices).ports[0]?.endpoints).toMatchObject([{ node: 'n2', ready: true }]);
    }
  });

  test('of a named target port have the number that their slice says', () => {
    const service = aService({
      spec: {
        ports: [
          { name: 'http', port: 80, targetPort: 'http' },
          { name: 'dns', port: 53, protocol: 'UDP' },
        ],
      },
    });
    const slices = [
      aSlice('web-1', [{ addresses: ['10.244.1.1'] }], {
        ports: [
          { name: 'http', port: 8080 },
          { name: 'dns', protocol: 'UDP', port: 5353 },
        ],
      }),
      aSlice('web-2', [{ addresses: ['10.244.1.2'] }], {
        ports: [
          { name: 'http', port: 9090 },
          { name: 'http', port: null },
        ],
      }),
    ];
    expect(addressesOf(planOf(service, slices))).toEqual(['10.244.1.1:8080', '10.244.1.2:9090', '10.244.1.1:5353']);
  });

  test('of slices for another proxy, and names instead of addresses, are not used', () => {
    const labels = { 'kubernetes.io/service-name': 'web', 'service.kubernetes.io/service-proxy-name': 'other' };
    const foreign = {
      ...aSlice('web-1', [{ addresses: ['10.244.1.1'] }]),
      metadata: { name: 'web-1', namespace: 'shop', labels },
    };
    const fqdn = aSlice('web-2', [{ addresses: ['pod.example'] }], { addressType: 'FQDN' });
    expect(compile(aService(), [foreign, fqdn])).toMatchObject({ skipped: [] });
    expect(addressesOf(planOf(aService(), [foreign, fqdn]))).toEqual([]);
  });
});

test('every plan of the recorded cluster is one that the contract allows', () => {
  const derivations = recordedViews().map((view) => ({ name: view.service.metadata.name, ...compileProxyPlan(view) }));
  const without = derivations.filter(({ document }) => document === undefined).map(({ name }) => name);
  expect(without).toEqual(['external', 'headless', 'mysql', 'other-proxy']);
  for (const { document } of derivations) {
    if (document !== undefined) expect(proxyPlanSchema.parse(document)).toEqual(document);
  }
  expect(derivations.flatMap(({ skipped }) => skipped)).toEqual([]);
});
