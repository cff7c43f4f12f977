import type { DerivedMessage } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { LayerOutputs } from './layer-outputs.ts';

const KEY = { cluster: 'c', namespace: 'n', name: 's' };
const at = (revision: number) => ({ mark: { revision, changedAtMs: 0 }, latestRevision: Math.max(revision, 179) });
const revisionOf = (entry: { data: string | null } | undefined): unknown =>
  entry?.data && (JSON.parse(entry.data) as DerivedMessage).revision;

test('the revision of a document rises with its content, also when what changed it was not seen', () => {
  const before = new LayerOutputs('dns');
  expect(revisionOf(before.plan(KEY, { document: 'with the slice', skipped: [] }, at(178)))).toBe(178);
  expect(before.plan(KEY, { document: 'with the slice', skipped: [] }, at(179))).toBeUndefined();
  const { contentHash } = JSON.parse(
    new LayerOutputs('dns').plan(KEY, { document: 'with the slice', skipped: [] }, at(178))?.data ?? '',
  ) as DerivedMessage;
  const replayed = new LayerOutputs('dns');
  replayed.restore([{ key: KEY, contentHash, revision: 178 }]);
  expect(replayed.plan(KEY, { document: 'with the slice', skipped: [] }, at(89))).toBeUndefined();
  expect(revisionOf(replayed.plan(KEY, { document: 'without', skipped: [] }, at(89)))).toBe(179);
  expect(revisionOf(replayed.plan(KEY, { document: 'with another', skipped: [] }, at(200)))).toBe(200);
});
