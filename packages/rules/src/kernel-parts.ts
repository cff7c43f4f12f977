/** What services put into the kernel, in pieces that can be compared: the one form that all backends change rules by. */

import type { Family } from './addresses.ts';

/** An entry of something that services share: an element of a set or map, a rule of a chain that dispatches. */
export interface SharedEntry {
  /** The set, map or chain. */
  readonly container: string;
  /** Unlike every other key in the container. */
  readonly key: string;
  /** Empty where the container holds keys only. */
  readonly value: string;
  /** For people who read the kernel's list; empty for none. */
  readonly comment: string;
}

export interface ServiceChain {
  readonly name: string;
  readonly rules: readonly string[];
  /** What the backend says when it makes the chain. */
  readonly definition: string;
  /** Several services use the very same chain. */
  readonly isShared: boolean;
}

/** Collects what one service port needs. */
export class KernelParts {
  readonly entries: SharedEntry[] = [];
  readonly chains = new Map<string, ServiceChain>();

  addEntry(container: string, key: string, value = '', comment = ''): void {
    this.entries.push({ container, key, value, comment });
  }

  addChain(chain: ServiceChain): void {
    this.chains.set(chain.name, chain);
  }
}

/** Of all services in the order of their names; read once. */
export interface FamilyParts {
  readonly family: Family;
  readonly parts: Iterable<KernelParts>;
}

/** Empty lists mean that the kernel holds what it should. */
export interface PartsDelta {
  /** Goes first where a key has another value now: it is both removed and added. */
  readonly removedEntries: readonly SharedEntry[];
  readonly addedEntries: readonly SharedEntry[];
  readonly newChains: readonly ServiceChain[];
  readonly changedChains: readonly ServiceChain[];
  readonly removedChains: readonly ServiceChain[];
}

/**
 * Knows how many services want each thing that several can want alike (a chain per number of endpoints, an endpoint of
 * two services), so that it is added with the first and removed with the last of them.
 */
export class PartsLedger {
  readonly #countedContainers: ReadonlySet<string>;
  readonly #counts = new Map<string, number>();

  /** `countedContainers`: those in which several services can have the same key, then always with the same value. */
  constructor(countedContainers: ReadonlySet<string>) {
    this.#countedContainers = countedContainers;
  }

  /** Notes parts that were not there, without saying what that changes. */
  add({ entries, chains }: KernelParts): void {
    for (const { container, key } of entries) {
      if (this.#countedContainers.has(container)) this.#count(`${container} ${key}`, 1);
    }
    for (const { name, isShared } of chains.values()) if (isShared) this.#count(`chain ${name}`, 1);
  }

  change(before: readonly KernelParts[], after: readonly KernelParts[]): PartsDelta {
    const entries = this.#compare(before.flatMap(entriesOf), after.flatMap(entriesOf), {
      keyOf: ({ container, key }) => `${container} ${key}`,
      isCounted: ({ container }) => this.#countedContainers.has(container),
      isSame: (a, b) => a.value === b.value && a.comment === b.comment,
    });
    const chains = this.#compare(before.flatMap(chainsOf), after.flatMap(chainsOf), {
      keyOf: ({ name }) => `chain ${name}`,
      isCounted: ({ isShared }) => isShared,
      isSame: (a, b) => a.rules.length === b.rules.length && a.rules.every((rule, index) => rule === b.rules[index]),
    });
    return {
      removedEntries: [...entries.gone, ...entries.changed.map(([old]) => old)],
      addedEntries: [...entries.changed.map(([, now]) => now), ...entries.fresh],
      newChains: chains.fresh,
      changedChains: chains.changed.map(([, now]) => now),
      removedChains: chains.gone,
    };
  }

  #compare<T>(before: readonly T[], after: readonly T[], how: Comparison<T>): Compared<T> {
    const pairs = new Map<string, Pair<T>>();
    const pairOf = (item: T): Pair<T> => {
      const key = how.keyOf(item);
      const pair = pairs.get(key) ?? { key, balance: 0, before: undefined, after: undefined };
      pairs.set(key, pair);
      return pair;
    };
    for (const item of before) {
      const pair = pairOf(item);
      pair.before = item;
      pair.balance -= 1;
    }
    for (const item of after) {
      const pair = pairOf(item);
      pair.after = item;
      pair.balance += 1;
    }
    const compared: Compared<T> = { gone: [], fresh: [], changed: [] };
    for (const pair of pairs.values()) this.#sort(pair, how, compared);
    return compared;
  }

  #sort<T>(pair: Pair<T>, how: Comparison<T>, { gone, fresh, changed }: Compared<T>): void {
    const { before, after } = pair;
    const item = after ?? before;
    if (item === undefined) return;
    if (how.isCounted(item)) {
      const now = this.#count(pair.key, pair.balance);
      const old = now - pair.balance;
      if (old === 0 && now > 0) fresh.push(item);
      else if (old > 0 && now === 0) gone.push(item);
    } else if (before === undefined) fresh.push(item);
    else if (after === undefined) gone.push(item);
    else if (!how.isSame(before, after)) changed.push([before, after]);
  }

  /** Gives how many there are now. */
  #count(key: string, difference: number): number {
    const now = (this.#counts.get(key) ?? 0) + difference;
    if (now === 0) this.#counts.delete(key);
    else this.#counts.set(key, now);
    return now;
  }
}

interface Comparison<T> {
  readonly keyOf: (item: T) => string;
  readonly isCounted: (item: T) => boolean;
  readonly isSame: (a: T, b: T) => boolean;
}

interface Pair<T> {
  readonly key: string;
  /** How many more want it after than before. */
  balance: number;
  before: T | undefined;
  after: T | undefined;
}

interface Compared<T> {
  readonly gone: T[];
  readonly fresh: T[];
  readonly changed: [before: T, after: T][];
}

function entriesOf({ entries }: KernelParts): readonly SharedEntry[] {
  return entries;
}

function chainsOf({ chains }: KernelParts): ServiceChain[] {
  return [...chains.values()];
}
