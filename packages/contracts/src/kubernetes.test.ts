import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { endpointSliceObjectSchema, nodeObjectSchema, serviceObjectSchema } from './kubernetes.ts';

const LISTS = new URL('../../../test/fixtures/kubernetes-1.36/lists/', import.meta.url);

function recordedItems(file: string): Record<string, unknown>[] {
  return (JSON.parse(readFileSync(new URL(file, LISTS), 'utf8')) as { items: Record<string, unknown>[] }).items;
}

describe('recorded objects', () => {
  test.for([
    { kind: 'Service', file: 'services.json', schema: serviceObjectSchema },
    { kind: 'EndpointSlice', file: 'endpointslices.json', schema: endpointSliceObjectSchema },
    { kind: 'Node', file: 'nodes.json', schema: nodeObjectSchema },
  ])('every recorded $kind is read, and cut down', ({ kind, file, schema }) => {
    const items = recordedItems(file);
    expect(items.length).toBeGreaterThan(0);
    for (const item of items) {
      const trimmed = JSON.stringify(schema.parse({ ...item, kind }));
      expect(trimmed).not.toMatch(/managedFields|ownerReferences|lastHeartbeatTime|creationTimestamp/);
      expect(trimmed.length).toBeLessThan(JSON.stringify(item).length);
    }
  });

  test('reading what was read changes nothing', () => {
    for (const item of recordedItems('services.json')) {
      const once = serviceObjectSchema.parse({ ...item, kind: 'Service' });
      expect(serviceObjectSchema.parse(once)).toEqual(once);
    }
  });
});

describe('a Service', () => {
  const base = { kind: 'Service', metadata: { namespace: 'shop', name: 'web' } };

  test('from a manifest gets the defaults of the API', () => {
    const service = serviceObjectSchema.parse({ ...base, spec: { ports: [{ port: 80 }] } });
    expect(service.spec).toEqual({
      type: 'ClusterIP',
      clusterIPs: [],
      sessionAffinity: 'None',
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    });
  });

  test('keeps only annotations that a compiler reads', () => {
    const annotations = {
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      'external-dns.alpha.kubernetes.io/ttl': '60',
    };
    const service = serviceObjectSchema.parse({ ...base, metadata: { ...base.metadata, annotations }, spec: {} });
    expect(service.metadata.annotations).toEqual({ 'external-dns.alpha.kubernetes.io/ttl': '60' });
  });

  test.for([
    { what: 'a port out of range', spec: { ports: [{ port: 70_000 }] } },
    { what: 'an unknown protocol', spec: { ports: [{ port: 80, protocol: 'ICMP' }] } },
    { what: 'an unknown type', spec: { type: 'Magic' } },
  ])('with $what is refused', ({ spec }) => {
    expect(serviceObjectSchema.safeParse({ ...base, spec }).success).toBe(false);
  });

  test.for(['web"; flush ruleset', 'Web', 'web.shop', '', 'a'.repeat(64)])('named %s is refused', (name) => {
    const metadata = { ...base.metadata, name };
    expect(serviceObjectSchema.safeParse({ kind: 'Service', metadata, spec: {} }).success).toBe(false);
  });
});

test('of a Node only readiness is kept, so that heartbeats are no changes', () => {
  const conditions = [
    { type: 'MemoryPressure', status: 'False', lastHeartbeatTime: '2026-01-01T00:00:00Z' },
    { type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' },
  ];
  const node = nodeObjectSchema.parse({ kind: 'Node', metadata: { name: 'a' }, status: { conditions } });
  expect(node.status.conditions).toEqual([{ type: 'Ready', status: 'True' }]);
});
