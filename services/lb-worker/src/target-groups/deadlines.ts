/**
 * When something is due, for many keys: a binary heap in which replaced entries stay until they come up, and a map that
 * says which entry of a key is the valid one.
 */
interface Entry {
  readonly key: string;
  readonly atMs: number;
}

export class Deadlines {
  readonly #valid = new Map<string, Entry>();
  #heap: Entry[] = [];

  /** Undefined: nothing is due for this key any more. */
  set(key: string, atMs: number | undefined): void {
    if (this.#valid.get(key)?.atMs === atMs) return;
    if (atMs === undefined) {
      this.#valid.delete(key);
      return;
    }
    const entry = { key, atMs };
    this.#valid.set(key, entry);
    this.#push(entry);
    if (this.#heap.length > 2 * this.#valid.size + 64) this.#rebuild();
  }

  get nextMs(): number | undefined {
    this.#dropReplaced();
    return this.#heap[0]?.atMs;
  }

  /** Keys that are due, in the order of their deadlines; they are forgotten. */
  takeDue(nowMs: number): string[] {
    const due: string[] = [];
    for (let next = this.nextMs; next !== undefined && next <= nowMs; next = this.nextMs) {
      const entry = this.#pop();
      if (entry === undefined) break;
      this.#valid.delete(entry.key);
      due.push(entry.key);
    }
    return due;
  }

  #dropReplaced(): void {
    for (let top = this.#heap[0]; top !== undefined && this.#valid.get(top.key) !== top; top = this.#heap[0])
      this.#pop();
  }

  #rebuild(): void {
    this.#heap = [...this.#valid.values()].sort((left, right) => left.atMs - right.atMs);
  }

  #push(entry: Entry): void {
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isEarlier(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): Entry | undefined {
    const [top] = this.#heap;
    const last = this.#heap.pop();
    if (last === undefined || last === top) return top;
    this.#heap[0] = last;
    this.#sink();
    return top;
  }

  #sink(): void {
    for (let index = 0; ; ) {
      const children = [2 * index + 1, 2 * index + 2].filter((child) => this.#isEarlier(child, index));
      const [first, second] = children;
      if (first === undefined) return;
      const earliest = second !== undefined && this.#isEarlier(second, first) ? second : first;
      this.#swap(index, earliest);
      index = earliest;
    }
  }

  #isEarlier(index: number, other: number): boolean {
    const [one, two] = [this.#heap[index], this.#heap[other]];
    return one !== undefined && two !== undefined && one.atMs < two.atMs;
  }

  #swap(index: number, other: number): void {
    const [one, two] = [this.#heap[index], this.#heap[other]];
    if (one === undefined || two === undefined) return;
    this.#heap[index] = two;
    this.#heap[other] = one;
  }
}
