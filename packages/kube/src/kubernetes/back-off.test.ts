import { expect, test } from 'vitest';
import { pauseMs } from './back-off.ts';

const SETTINGS = { baseMs: 400, capMs: 30_000, slowMs: 30_000 };

test.for([
  { name: 'nothing to wait for', pause: 'none', failures: 5, random: 0.9, retryAfterMs: 60_000, waitMs: 0 },
  { name: 'first failure, unlucky', pause: 'back-off', failures: 1, random: 1, retryAfterMs: 0, waitMs: 400 },
  { name: 'first failure, lucky', pause: 'back-off', failures: 1, random: 0, retryAfterMs: 0, waitMs: 0 },
  {
    name: 'each failure doubles the bound',
    pause: 'back-off',
    failures: 4,
    random: 0.5,
    retryAfterMs: 0,
    waitMs: 1600,
  },
  { name: 'up to the cap', pause: 'back-off', failures: 1000, random: 1, retryAfterMs: 0, waitMs: 30_000 },
  { name: 'the server may ask for more', pause: 'back-off', failures: 1, random: 1, retryAfterMs: 5000, waitMs: 5000 },
  { name: 'but not for a day', pause: 'back-off', failures: 1, random: 1, retryAfterMs: 86_400_000, waitMs: 300_000 },
  { name: 'slow, lucky', pause: 'slow', failures: 1, random: 0, retryAfterMs: 0, waitMs: 15_000 },
  { name: 'slow, unlucky', pause: 'slow', failures: 9, random: 1, retryAfterMs: 0, waitMs: 30_000 },
] as const)('$name', ({ pause, failures, random, retryAfterMs, waitMs }) => {
  expect(pauseMs({ pause, failures }, SETTINGS, random, retryAfterMs)).toBe(waitMs);
});
