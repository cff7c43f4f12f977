/** For how long what is served may have been out of date. */
export class Staleness {
  #sinceMs: number | undefined = Date.now();

  /** 0 while the zones are known to be current. */
  get seconds(): number {
    return this.#sinceMs === undefined ? 0 : (Date.now() - this.#sinceMs) / 1000;
  }

  markCurrent(): void {
    this.#sinceMs = undefined;
  }

  /** From now on; no change when they were stale before. */
  markStale(): void {
    this.#sinceMs ??= Date.now();
  }
}
