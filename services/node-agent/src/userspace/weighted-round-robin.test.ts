import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Weighted, WeightedRoundRobin } from './weighted-round-robin.ts';

const weights = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 8 });

function robinOf(items: readonly Weighted<number>[]): WeightedRoundRobin<number> {
  const robin = new WeightedRoundRobin<number>();
  robin.replace(items);
  return robin;
}

function itemsOf(given: readonly number[]): Weighted<number>[] {
  return given.map((weight, index) => ({ key: `e${index}`, item: index, weight }));
}

function countsOf(robin: WeightedRoundRobin<number>, size: number, choices: number): number[] {
  const counts = Array.from({ length: size }, () => 0);
  for (let choice = 0; choice < choices; choice += 1) {
    const item = robin.next();
    if (item !== undefined) counts[item] = (counts[item] ?? 0) + 1;
  }
  return counts;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe('weighted round robin', () => {
  test('gives each exactly its weight in every round', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 4 }), (given, rounds) => {
        const counts = countsOf(robinOf(itemsOf(given)), given.length, sum(given) * rounds);
        expect(counts).toEqual(given.map((weight) => weight * rounds));
      }),
    );
  });

  test('is never further from its share than the number of items', () => {
    fc.assert(
      fc.property(weights, fc.nat(200), (given, choices) => {
        fc.pre(sum(given) > 0);
        const counts = countsOf(robinOf(itemsOf(given)), given.length, choices);
        for (const [index, weight] of given.entries()) {
          expect(Math.abs((counts[index] ?? 0) - (choices * weight) / sum(given))).toBeLessThanOrEqual(given.length);
        }
      }),
    );
  });

  test('spreads the turns of a heavy item', () => {
    const robin = robinOf(itemsOf([5, 1, 1]));
    expect(Array.from({ length: 7 }, () => robin.next())).toEqual([0, 0, 1, 0, 2, 0, 0]);
  });

  test('keeps the turn when the same items are set again, and lets nobody starve after any changes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(weights, fc.nat(30)), { maxLength: 6 }), weights, (history, last) => {
        fc.pre(sum(last) > 0);
        const robin = robinOf([]);
        for (const [given, choices] of history) {
          robin.replace(itemsOf(given));
          countsOf(robin, given.length, choices);
        }
        robin.replace(itemsOf(last));
        const counts = countsOf(robin, last.length, sum(last) * 4);
        expect(counts.map((count) => count > 0)).toEqual(last.map((weight) => weight > 0));
      }),
    );
    const robin = robinOf(itemsOf([1, 1, 1]));
    robin.next();
    robin.replace(itemsOf([1, 1, 1]));
    expect([robin.next(), robin.next(), robin.next()]).toEqual([1, 2, 0]);
  });

  test('passes over excluded items, and has none when all are', () => {
    const robin = robinOf(itemsOf([1, 1]));
    expect([robin.next((key) => key === 'e0'), robin.next((key) => key === 'e0')]).toEqual([1, 1]);
    expect(robin.next(() => true)).toBeUndefined();
    expect(robinOf(itemsOf([0])).next()).toBeUndefined();
  });
});
