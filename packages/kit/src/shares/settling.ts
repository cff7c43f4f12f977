/** Work that makes two things equal, as often as either changes: never twice at once, and once more when asked meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';

interface SettlingOptions {
  /** What it throws is for `shouldRetry` to tell. */
  readonly work: () => Promise<void>;
  /** Whether work that failed with this is worth trying again. */
  readonly shouldRetry: (error: unknown) => boolean;
}

const RETRY_MS = 500;

export class Settling {
  readonly #options: SettlingOptions;
  #running: Promise<void> | undefined;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  ask(): void {
    this.#isAskedAgain = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isAskedAgain && !this.#isStopped) {
      this.#isAskedAgain = false;
      try {
        await this.#options.work();
      } catch (error) {
        if (this.#isStopped || !this.#options.shouldRetry(error)) continue;
        await sleep(RETRY_MS);
        this.#isAskedAgain = true;
      }
    }
  }
}
