/** Numbers that look random and are the same on every machine. */

/** A whole number from 0 to `below` - 1. */
export type Random = (below: number) => number;

/** A linear congruential generator (Numerical Recipes); its high bits are good enough to choose bytes with. */
export function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[random(items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
