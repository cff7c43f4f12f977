import { createRegistry } from '@signalbox/kit';
import { ZoneIndex } from '@signalbox/zones';
import { expect, test } from 'vitest';
import { createDnsMetrics } from './metrics.ts';
import { Staleness } from './staleness.ts';

test('programming latency is that of CoreDNS: its name, its kinds of Services, its buckets', async () => {
  const registry = createRegistry();
  const metrics = createDnsMetrics(registry, { index: new ZoneIndex({ ttlSeconds: 30 }), staleness: new Staleness() });
  const changedAtMs = Date.now();
  const trace = undefined;
  metrics.recordServed([
    { serviceKind: 'headless_with_selector', changedAtMs, trace },
    { serviceKind: 'cluster_ip', changedAtMs, trace },
    { serviceKind: 'cluster_ip', changedAtMs: changedAtMs - 60_000, trace },
    { serviceKind: undefined, changedAtMs, trace },
  ]);
  const mostSeconds = (Date.now() - changedAtMs) / 1000;
  const text = await registry.metrics();
  const read = (pattern: string): string | undefined => new RegExp(`^${pattern} (\\S+)$`, 'm').exec(text)?.[1];
  const name = 'coredns_kubernetes_dns_programming_duration_seconds';
  expect(read(`${name}_count\\{service_kind="headless_with_selector"\\}`)).toBe('1');
  expect(read(`${name}_count\\{service_kind="cluster_ip"\\}`)).toBe('1');
  expect(Number(read(`${name}_sum\\{service_kind="cluster_ip"\\}`))).toBeLessThanOrEqual(mostSeconds);
  const buckets = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)",service_kind="cluster_ip"\\}`, 'gm'))];
  expect(buckets.map(([, edge]) => edge).slice(0, 3)).toEqual(['0.001', '0.002', '0.004']);
  expect(buckets.map(([, edge]) => edge).slice(-2)).toEqual(['524.288', '+Inf']);
});
