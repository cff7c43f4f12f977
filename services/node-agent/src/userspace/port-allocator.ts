/** Ports of a range for service ports that have no node port. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Each owner keeps its port until it is released. Ports are given out in ascending order and start again at the first one
 * after the last: the same owners in the same order get the same ports, and a port that became free is not soon another's.
 */
export class PortAllocator {
  readonly #range: PortRange;
  readonly #ports = new Map<string, number>();
  readonly #taken = new Set<number>();
  #next: number;

  constructor(range: PortRange) {
    this.#range = range;
    this.#next = range.first;
  }

  /** The owner's port, or a new one; undefined when all are taken. */
  take(owner: string): number | undefined {
    const known = this.#ports.get(owner);
    if (known !== undefined) return known;
    const { first, last } = this.#range;
    for (let tried = first; tried <= last; tried += 1) {
      const port = this.#next;
      this.#next = port === last ? first : port + 1;
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      this.#ports.set(owner, port);
      return port;
    }
    return undefined;
  }

  /** Another process has the owner's port: it is not given out again. */
  abandon(owner: string): void {
    this.#ports.delete(owner);
  }

  release(owner: string): void {
    const port = this.#ports.get(owner);
    if (port !== undefined) this.#taken.delete(port);
    this.#ports.delete(owner);
  }
}
