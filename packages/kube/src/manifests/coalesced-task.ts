/**
 * Runs a task some time after it was asked for, once for all requests of that time, and never two at once.
 *
 *     idle ──request──► waiting ──quiet for quietMs, or maxWaitMs──► running ──► idle, or waiting again if asked meanwhile
 *
 * Runs keep a distance of `gapMs`, and of as long as the last run took, so that a busy folder takes half of a core at most.
 */
export interface CoalescedTaskOptions {
  readonly quietMs: number;
  readonly maxWaitMs: number;
  readonly gapMs: number;
}

export class CoalescedTask {
  readonly #task: () => Promise<void>;
  readonly #options: CoalescedTaskOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isRequested = false;
  #isStopped = false;
  #latestStart = 0;
  #earliestStart = 0;

  /** `task` handles its own errors. */
  constructor(task: () => Promise<void>, options: CoalescedTaskOptions) {
    this.#task = task;
    this.#options = options;
  }

  request(): void {
    if (this.#isStopped) return;
    const now = performance.now();
    if (!this.#isRequested) this.#latestStart = now + this.#options.maxWaitMs;
    this.#isRequested = true;
    if (this.#running !== undefined) return;
    const start = Math.max(Math.min(now + this.#options.quietMs, this.#latestStart), this.#earliestStart);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), start - now);
  }

  /** Returns when nothing runs, and nothing will. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #run(): void {
    this.#isRequested = false;
    const startedAt = performance.now();
    this.#running = this.#task().finally(() => {
      const now = performance.now();
      this.#earliestStart = now + Math.max(this.#options.gapMs, now - startedAt);
      this.#running = undefined;
      if (this.#isRequested) this.request();
    });
  }
}
