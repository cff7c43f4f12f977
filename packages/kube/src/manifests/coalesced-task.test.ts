import { expect, test } from 'vitest';
import { CoalescedTask } from './coalesced-task.ts';

test('requests of one moment are one run, those during a run one more, never two at once', async () => {
  let [runs, atOnce, mostAtOnce] = [0, 0, 0];
  const second = signal();
  const task = new CoalescedTask(
    async () => {
      runs += 1;
      atOnce += 1;
      mostAtOnce = Math.max(mostAtOnce, atOnce);
      if (runs === 1) for (let i = 0; i < 5; i += 1) task.request();
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      if (runs === 2) second.resolve();
    },
    { quietMs: 1, maxWaitMs: 5, gapMs: 1 },
  );
  for (let i = 0; i < 5; i += 1) task.request();
  await second.promise;
  await task.stop();
  expect({ runs, mostAtOnce }).toEqual({ runs: 2, mostAtOnce: 1 });
});

test('requests that never cease do not put the run off for ever', async () => {
  const ran = { times: 0 };
  const task = new CoalescedTask(
    () => {
      ran.times += 1;
      return Promise.resolve();
    },
    { quietMs: 10_000, maxWaitMs: 20, gapMs: 0 },
  );
  const startedAt = performance.now();
  while (ran.times === 0 && performance.now() - startedAt < 4_000) {
    task.request();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await task.stop();
  expect(ran.times).toBe(1);
});

test('stop waits for the run under way, and drops what was asked for', async () => {
  const [started, release] = [signal(), signal()];
  let runs = 0;
  const task = new CoalescedTask(
    async () => {
      runs += 1;
      started.resolve();
      task.request();
      await release.promise;
    },
    { quietMs: 0, maxWaitMs: 0, gapMs: 0 },
  );
  task.request();
  await started.promise;
  let hasStopped = false;
  const stopped = task.stop().then(() => {
    hasStopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasStopped).toBe(false);
  release.resolve();
  await stopped;
  task.request();
  expect(runs).toBe(1);
});

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
