import { type Registration, type ServiceView, serviceObjectSchema } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { compileRegistrations } from './compile-registrations.ts';

function compiled(annotations: Record<string, string>, spec: object = {}) {
  const prefixed = Object.entries(annotations).map(([name, value]) => [`signalbox.dev/lb-${name}`, value]);
  const service = serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'web', annotations: Object.fromEntries(prefixed) },
    spec: { type: 'LoadBalancer', clusterIPs: ['10.96.0.5'], ports: [{ port: 80, nodePort: 30_080 }], ...spec },
  });
  const view: ServiceView = { cluster: { name: 'eu', domain: 'cluster.local' }, service, slices: [], nodes: [] };
  const { document, skipped } = compileRegistrations(view);
  return { registration: document?.registrations[0], skipped };
}

describe('what an annotation asks for is in the registration', () => {
  const table: readonly (readonly [Record<string, string>, Partial<Registration>])[] = [
    [{ algorithm: 'least-connections' }, { algorithm: 'least-connections' }],
    [{ 'proxy-protocol': 'v2' }, { proxyProtocol: 'v2' }],
    [{ 'health-check-type': 'http' }, { healthCheck: { type: 'http', port: 30_080, path: '/' } }],
    [
      { 'health-check-type': 'https', 'health-check-path': '/ready?deep=1', 'health-check-port': '8443' },
      { healthCheck: { type: 'https', port: 8_443, path: '/ready?deep=1' } },
    ],
    [
      { 'health-check-interval': '1m', 'health-check-timeout': '500ms' },
      { healthCheck: { type: 'tcp', port: 30_080, intervalMs: 60_000, timeoutMs: 500 } },
    ],
    [
      { 'health-check-healthy-threshold': '2', 'health-check-unhealthy-threshold': '5' },
      { healthCheck: { type: 'tcp', port: 30_080, healthyThreshold: 2, unhealthyThreshold: 5 } },
    ],
  ];
  test.each(table)('%j', (annotations, wanted) => {
    const { registration, skipped } = compiled(annotations);
    expect(registration).toMatchObject(wanted);
    expect(registration?.healthCheck).toEqual(wanted.healthCheck ?? { type: 'tcp', port: 30_080 });
    expect(skipped).toEqual([]);
  });
});

test.for([
  ['algorithm', 'fastest'],
  ['target-type', 'Pod'],
  ['weighting', 'equal'],
  ['proxy-protocol', '2'],
  ['health-check-type', 'icmp'],
  ['health-check-path', 'healthz'],
  ['health-check-path', '/a b'],
  ['health-check-path', '/"\n  server evil 192.0.2.1:80'],
  ['health-check-port', '0'],
  ['health-check-port', '65536'],
  ['health-check-port', '80.5'],
  ['health-check-interval', '5'],
  ['health-check-interval', '0s'],
  ['health-check-timeout', '2h'],
  ['health-check-healthy-threshold', '0'],
])('%s: %j is left out and named, and all else stays', ([name = '', value = '']) => {
  const { registration, skipped } = compiled({ [name]: value, algorithm: name === 'algorithm' ? value : 'random' });
  expect(skipped).toEqual([
    { path: `metadata.annotations[signalbox.dev/lb-${name}]`, reason: `cannot be used: ${JSON.stringify(value)}` },
  ]);
  expect(registration?.healthCheck).toEqual({ type: 'tcp', port: 30_080 });
  expect(registration?.algorithm).toBe(name === 'algorithm' ? undefined : 'random');
});

test('a target type that a port cannot have leaves it without targets, and says so', () => {
  const { registration, skipped } = compiled({ 'target-type': 'node' }, { ports: [{ port: 80 }] });
  expect(registration?.targets).toEqual([]);
  expect(skipped.map(({ path }) => path)).toEqual(['spec.ports[80].nodePort']);
});

test('an application protocol that could not be one does not reach a configuration', () => {
  const { registration, skipped } = compiled(
    {},
    { ports: [{ port: 80, nodePort: 30_080, appProtocol: 'http\n bind' }] },
  );
  expect(registration).not.toHaveProperty('appProtocol');
  expect(skipped.map(({ path }) => path)).toEqual(['spec.ports[80].appProtocol']);
});
