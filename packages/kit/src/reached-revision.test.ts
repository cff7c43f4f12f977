import { expect, test } from 'vitest';
import { ReachedRevision } from './reached-revision.ts';

test('a wait ends when the revision, or a later one, is reached', async () => {
  const reached = new ReachedRevision();
  const waiting = reached.wait(5);
  reached.reach(4);
  reached.reach(7);
  expect([await waiting, await reached.wait(6)]).toEqual([true, true]);
});

test('whoever waits asks anew when the log begins again: it may end before what was waited for', async () => {
  const reached = new ReachedRevision();
  reached.reach(3);
  const waiting = reached.wait(5);
  reached.startOver();
  expect(await waiting).toBe(false);
  const again = reached.wait(2);
  reached.reach(4);
  expect(await again).toBe(true);
});
