import { expect, test } from 'vitest';
import { ProbeHistory } from './probe-history.ts';
import { Rising } from './rising.ts';

/** Revision → count, as far as it was seen: the message at 20 was replaced before anybody read it. */
const SEEN = [
  [10, 1],
  [30, 3],
] as const;

test.for([
  { name: 'what was true at the revision passes', from: 10, to: 10, count: 1, isWrong: false },
  { name: 'what may have been true passes', from: 25, to: 25, count: 2, isWrong: false },
  { name: 'older than the revision is stale', from: 30, to: 30, count: 2, isWrong: true },
  { name: 'newer than the revision is wrong', from: 29, to: 29, count: 4, isWrong: true },
  { name: 'newer passes where it is allowed', from: 29, to: Number.POSITIVE_INFINITY, count: 4, isWrong: false },
  { name: 'that there is nothing is wrong', from: 30, to: 30, count: undefined, isWrong: true },
])('$name', ({ from, to, count, isWrong }) => {
  const history = new ProbeHistory();
  for (const [revision, seen] of SEEN) history.saw(revision, seen);
  history.served({ where: 'somebody', fromRevision: from, toRevision: to, count });
  expect(history.violations()).toHaveLength(isWrong ? 1 : 0);
});

test('a number that falls is told, with what said it before', () => {
  const rising = new Rising();
  for (const [value, text] of [
    [1, 'one'],
    [3, 'three'],
    [2, 'two'],
  ] as const) {
    rising.note('a', value, text);
  }
  rising.note('b', 1);
  expect(rising.violations).toEqual([
    { where: 'a went backwards', expected: '3 or more, as after three', found: '2: two' },
  ]);
});
