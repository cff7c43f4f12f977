import { createRegistry } from '@signalbox/kit';
import { expect, test } from 'vitest';
import { createAgentMetrics } from './metrics.ts';

test('programming latency is from each change to the end of its transaction; older changes do not count', async () => {
  const registry = createRegistry();
  const state = { revision: 7, appliedAtMs: null, error: '', skippedServices: [] };
  const metrics = createAgentMetrics(registry, {
    state: () => state,
    queuedSinceMs: () => undefined,
    lingering: () => 0,
  });
  const nowMs = Date.now();
  const change = (name: string, changedAtMs: number | undefined) => {
    return { key: { cluster: 'shop', namespace: 'shop', name }, plan: undefined, changedAtMs };
  };
  const changes = [change('a', nowMs), change('b', nowMs), change('old', nowMs - 60_000), change('gone', undefined)];
  metrics.record({ kind: 'delta', seconds: 0.25, revision: 7, changes, error: '' });
  metrics.record({ kind: 'delta', seconds: 0.5, revision: 8, changes: [], error: 'nft: busy' });
  const mostSeconds = (2 * (Date.now() - nowMs)) / 1000;
  const text = await registry.metrics();
  const read = (name: string): number => Number(new RegExp(`^kubeproxy_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(read('network_programming_duration_seconds_count')).toBe(2);
  expect(read('network_programming_duration_seconds_sum')).toBeLessThanOrEqual(mostSeconds);
  expect(read('sync_proxy_rules_duration_seconds_sum')).toBe(0.75);
});
