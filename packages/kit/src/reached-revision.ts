/** How far a worker has come, and who waits for it to come further. */
export class ReachedRevision {
  readonly #waiting = new Set<{ readonly revision: number; readonly resolve: (isReached: boolean) => void }>();
  #revision = 0;
  #isCaughtUp = false;

  get revision(): number {
    return this.#revision;
  }

  /** False until all that the log held is processed. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  reach(revision: number): void {
    this.#revision = revision;
    this.#isCaughtUp = true;
    for (const waiter of this.#waiting) {
      if (waiter.revision > revision) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(true);
    }
  }

  /** The log comes again from its beginning, and may end before what was waited for: all who wait have to ask anew. */
  startOver(): void {
    this.#isCaughtUp = false;
    this.release();
  }

  /** False when it was waited for in vain. */
  async wait(revision: number): Promise<boolean> {
    if (this.#isCaughtUp && this.#revision >= revision) return true;
    return await new Promise((resolve) => this.#waiting.add({ revision, resolve }));
  }

  /** Nothing will be reached any more. */
  release(): void {
    for (const { resolve } of this.#waiting) resolve(false);
    this.#waiting.clear();
  }
}
