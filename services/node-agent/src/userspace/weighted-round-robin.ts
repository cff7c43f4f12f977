/**
 * Smooth weighted round robin, as nginx does it: with each choice everybody earns its weight and the richest pays what all
 * have earned. From a fresh start each item is chosen exactly `weight` times in as many choices as the weights sum to, and
 * the choices of a heavy item are spread instead of being one burst.
 */
export interface Weighted<Item> {
  /** What stays the same while everything else of the item may change. */
  readonly key: string;
  readonly item: Item;
  /** A whole number; 0 is never chosen. */
  readonly weight: number;
}

interface Candidate<Item> extends Weighted<Item> {
  credit: number;
}

export class WeightedRoundRobin<Item> {
  #candidates: Candidate<Item>[] = [];

  /**
   * Items that stay keep their turn, so that frequent changes do not favour whoever is first. Credits are kept around 0 and
   * within one round: nobody starves because of what those who left had taken.
   */
  replace(items: readonly Weighted<Item>[]): void {
    const credits = new Map(this.#candidates.map(({ key, credit }) => [key, credit]));
    const kept = items.map(({ key }) => credits.get(key)).filter((credit) => credit !== undefined);
    const mean = kept.length === 0 ? 0 : Math.round(kept.reduce((sum, credit) => sum + credit, 0) / kept.length);
    const round = items.reduce((sum, { weight }) => sum + weight, 0);
    this.#candidates = items.map((item) => {
      const credit = (credits.get(item.key) ?? mean) - mean;
      return { ...item, credit: Math.min(round, Math.max(-round, credit)) };
    });
  }

  /** The item whose turn it is among those not excluded; undefined when none is left. */
  next(isExcluded: (key: string) => boolean = () => false): Item | undefined {
    let earned = 0;
    let richest: Candidate<Item> | undefined;
    for (const candidate of this.#candidates) {
      if (candidate.weight === 0 || isExcluded(candidate.key)) continue;
      candidate.credit += candidate.weight;
      earned += candidate.weight;
      if (richest === undefined || candidate.credit > richest.credit) richest = candidate;
    }
    if (richest === undefined) return undefined;
    richest.credit -= earned;
    return richest.item;
  }

  get(key: string): Item | undefined {
    return this.#candidates.find((candidate) => candidate.key === key)?.item;
  }

  get size(): number {
    return this.#candidates.length;
  }
}
