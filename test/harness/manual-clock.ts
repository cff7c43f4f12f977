/** A clock that stands still until a test moves it. */
import type { Clock } from '@signalbox/kit';
import { waitFor } from './event-log-tail.ts';

export class ManualClock implements Clock {
  #nowMs = 1_000_000;
  readonly #calls = new Set<{ readonly atMs: number; readonly call: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  callAt(atMs: number, call: () => void): () => void {
    const entry = { atMs, call };
    this.#calls.add(entry);
    return () => this.#calls.delete(entry);
  }

  /** When somebody waits for something; undefined when nobody waits for time. */
  get nextCallMs(): number | undefined {
    return this.#calls.size === 0 ? undefined : Math.min(...[...this.#calls].map(({ atMs }) => atMs));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const entry of this.#calls) {
      if (entry.atMs > this.#nowMs) continue;
      this.#calls.delete(entry);
      entry.call();
    }
  }

  /** Until somebody waits for time, and then to what it waits for, or to `latestMs` where that comes first. */
  async advanceToNextCall(latestMs = Number.POSITIVE_INFINITY): Promise<void> {
    let nextMs: number | undefined;
    await waitFor('somebody to wait for time', () => {
      nextMs = this.nextCallMs;
      return nextMs !== undefined;
    });
    this.advance(Math.max(0, Math.min(nextMs ?? 0, latestMs) - this.#nowMs));
  }
}
