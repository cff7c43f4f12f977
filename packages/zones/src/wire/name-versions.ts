/**
 * How often names changed, in constant memory: a counter for each of 65,536 hashes of names.
 *
 * What was computed from some names keeps their stamp, and is good for as long as the stamp is current. Two names with one
 * hash share a counter, so now and then something is computed again without need; nothing stale is ever taken for good.
 */

const SLOTS = 65_536;

/** Slot and counter of each name, one after the other. */
export type NameStamp = readonly number[];

export class NameVersions {
  readonly #counters = new Int32Array(SLOTS);

  bump(name: string): void {
    const slot = slotOf(name);
    this.#counters[slot] = (this.#counters[slot] ?? 0) + 1;
  }

  stamp(names: readonly string[]): NameStamp {
    const stamp: number[] = [];
    for (const name of names) {
      const slot = slotOf(name);
      stamp.push(slot, this.#counters[slot] ?? 0);
    }
    return stamp;
  }

  isCurrent(stamp: NameStamp): boolean {
    return this.areCurrent(Int32Array.from(stamp), 0, stamp.length);
  }

  /** The same for a stamp that is written somewhere. */
  areCurrent(words: Int32Array, start: number, end: number): boolean {
    for (let at = start; at < end; at += 2) {
      if (this.#counters[words[at] ?? 0] !== words[at + 1]) return false;
    }
    return true;
  }
}

function slotOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}
