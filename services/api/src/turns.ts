/** One after the other: what checks and then writes must not let another write come between the two. */
import { SignalboxError } from '@signalbox/contracts';

/** Beyond this the log is away, or too slow for those who ask: better told than kept waiting. */
const MAX_WAITING = 100;

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Runs the work when all before it has ended, well or not. Throws `unavailable` when too many wait. */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= MAX_WAITING) throw new SignalboxError('unavailable', 'too many changes at once; try again');
    this.#waiting += 1;
    const turn = this.#last.then(work).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = turn.catch(() => {});
    return await turn;
  }
}
