/** What one round of decisions goes by, and what it is to publish: removals first. */
import type { Watermark } from '@signalbox/contracts';
import type { AppendEntry } from '@signalbox/event-log';

export class Round {
  readonly watermark: Watermark;
  readonly nowMs: number;
  /** Services that went with too many others at once. */
  readonly emptied: ReadonlySet<string>;
  #removals: AppendEntry[] = [];
  #others: AppendEntry[] = [];

  constructor(watermark: Watermark, nowMs: number, emptied: ReadonlySet<string>) {
    this.watermark = watermark;
    this.nowMs = nowMs;
    this.emptied = emptied;
  }

  add(entry: AppendEntry, { isRemoval }: { isRemoval: boolean }): void {
    (isRemoval ? this.#removals : this.#others).push(entry);
  }

  /** What was added since the last call. */
  take(): AppendEntry[] {
    const taken = [...this.#removals, ...this.#others];
    [this.#removals, this.#others] = [[], []];
    return taken;
  }
}
