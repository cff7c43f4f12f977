import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

test('each begins when the one before has ended, though it failed', async () => {
  const turns = new Turns();
  const steps: string[] = [];
  const work = (name: string) => async () => {
    steps.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    steps.push(`${name} ends`);
    if (name === 'a') throw new Error('a failed');
    return name;
  };
  const results = await Promise.allSettled([turns.take(work('a')), turns.take(work('b'))]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

test('no more wait than there may', async () => {
  const turns = new Turns();
  let end = () => {};
  const held = turns.take(() => new Promise<void>((resolve) => (end = resolve)));
  const waiting = Array.from({ length: 99 }, () => turns.take(async () => {}));
  await expect(turns.take(async () => {})).rejects.toMatchObject({ code: 'unavailable' });
  await new Promise((resolve) => setImmediate(resolve));
  end();
  await Promise.all([held, ...waiting]);
  await expect(turns.take(async () => 'again')).resolves.toBe('again');
});
