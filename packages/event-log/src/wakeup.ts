/** Wakes what waits for something to happen in this process: a condition variable of one event loop, without polling. */

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Wait no longer than this. */
  readonly timeoutMs?: number;
}

export class Wakeup {
  #waiters = new Set<() => void>();

  notify(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }

  /**
   * Resolves at the next `notify`, at the time-out, or when the signal aborts. Test the condition in the same tick, before
   * and after: nothing is remembered between two waits.
   */
  async wait({ signal, timeoutMs }: WaitOptions = {}): Promise<void> {
    if (signal?.aborted) return;
    let wake: () => void = () => {};
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve) => {
        wake = resolve;
        this.#waiters.add(wake);
        signal?.addEventListener('abort', wake, { once: true });
        if (timeoutMs !== undefined) timer = setTimeout(wake, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(wake);
      signal?.removeEventListener('abort', wake);
    }
  }
}

/** Lets input, timers and other readers have their turn between two pieces of work. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
