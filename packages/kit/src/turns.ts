/** Works that must not overlap, one after the other in the order in which they were asked for. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Settles as the work does; a work that fails does not keep the next one from its turn. */
  take(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
