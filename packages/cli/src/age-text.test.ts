import { expect, test } from 'vitest';
import { ageText } from './age-text.ts';

test.for([
  [0, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [7_199_000, '1h'],
  [172_800_000, '2d'],
  [-5_000, '0s'],
] as const)('%i ms are %s', ([ageMs, text]) => {
  expect(ageText(1_000_000 - ageMs, 1_000_000)).toBe(text);
});
