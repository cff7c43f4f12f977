import { expect, test } from 'vitest';
import { BatchSequence } from './batch-sequence.ts';

const message = (sequence: number) => ({ subject: `objects.s${sequence}`, sequence, storedAtMs: 0, data: '1' });
const part = (sequences: readonly number[], isInOrder: boolean, isCaughtUp: boolean) => ({
  messages: sequences.map(message),
  sequence: sequences.at(-1) ?? 9,
  isInOrder,
  isCaughtUp,
});
const brief = (batches: ReturnType<BatchSequence['add']>) =>
  batches.map(({ messages, isCaughtUp }) => [...messages.map(({ sequence }) => sequence), isCaughtUp]);

test('a snapshot is caught up with its last messages', () => {
  const batches = new BatchSequence({ isReplay: true });
  expect(brief(batches.add(part([2, 5], false, false)))).toEqual([[2, 5, false]]);
  expect(brief(batches.add(part([8], false, true)))).toEqual([[8, true]]);
  expect(brief(batches.add(part([9, 10], true, true)))).toEqual([[9, 10, true]]);
});

test('messages around a gap do not count as they come: an empty batch says when they do', () => {
  const batches = new BatchSequence({ isReplay: false });
  expect(brief(batches.add(part([1, 2], true, true)))).toEqual([[1, 2, true]]);
  expect(brief(batches.add(part([4, 5], false, false)))).toEqual([[4, 5, false]]);
  expect(brief(batches.add(part([6], false, true)))).toEqual([[6, false], [true]]);
  expect(brief(batches.add(part([7, 9], false, true)))).toEqual([[7, 9, false], [true]]);
});

test('an empty part tells only that it is caught up now', () => {
  const batches = new BatchSequence({ isReplay: true });
  expect(batches.add(part([], true, false))).toEqual([]);
  expect(brief(batches.add(part([], true, true)))).toEqual([[true]]);
  expect(batches.add(part([], true, true))).toEqual([]);
});
