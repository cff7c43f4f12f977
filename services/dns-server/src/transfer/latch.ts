/** Something to wait for that may have happened already. Opening it twice is opening it once. */
import { setTimeout as sleep } from 'node:timers/promises';

export class Latch {
  #isOpen = false;
  #release: () => void = () => {};

  open(): void {
    this.#isOpen = true;
    this.#release();
  }

  /** Closes it again, once it was open, the time is over or the signal is aborted. For one waiter. */
  async wait({ timeoutMs, signal }: { timeoutMs?: number; signal: AbortSignal }): Promise<void> {
    if (!this.#isOpen && !signal.aborted) await this.#opened(timeoutMs, signal);
    this.#isOpen = false;
  }

  #opened(timeoutMs: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
      const release = done;
      signal.addEventListener('abort', release, { once: true });
      this.#release = release;
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', release);
        resolve();
      }
    });
  }
}

/** Ends early, without an error, when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
