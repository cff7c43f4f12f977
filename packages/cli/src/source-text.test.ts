import type { Cluster } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { sourceTexts } from './source-text.ts';

function aCluster(...kinds: readonly (readonly [kind: string, state: string, message: string])[]): Cluster {
  return { kinds: kinds.map(([kind, state, message]) => ({ kind, state, message })) } as unknown as Cluster;
}

test('kinds that share a trouble share its text, and those without have none', () => {
  const cluster = aCluster(
    ['Service', 'watching', 'a.json: no kind'],
    ['Node', 'watching', 'a.json: no kind'],
    ['Namespace', 'watching', ''],
    ['EndpointSlice', 'syncing', ''],
  );
  expect(sourceTexts(cluster)).toEqual(['Service, Node watching: a.json: no kind', 'EndpointSlice syncing']);
  expect(sourceTexts(aCluster(['Node', 'syncing', ''], ['Service', 'syncing', '']))).toEqual(['all syncing']);
  expect(sourceTexts(aCluster(['Node', 'watching', '']))).toEqual([]);
});
