/** Passes on a kind's status at once, then at most once per interval, the latest last. */
import type { SourceStatus } from '@signalbox/contracts';

export class StatusReporter {
  readonly #report: (status: SourceStatus) => void;
  readonly #intervalMs: number;
  #latest: SourceStatus | undefined;
  #reported: SourceStatus | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: (status: SourceStatus) => void, intervalMs: number) {
    this.#report = report;
    this.#intervalMs = intervalMs;
  }

  update(status: Omit<SourceStatus, 'sinceMs'>, nowMs: number): void {
    const sinceMs = this.#latest?.state === status.state ? this.#latest.sinceMs : nowMs;
    this.#latest = { ...status, sinceMs };
    if (this.#timer === undefined) this.#flush();
  }

  /** Nothing is reported afterwards. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#latest = undefined;
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#latest === undefined || isSame(this.#latest, this.#reported)) return;
    this.#reported = this.#latest;
    this.#timer = setTimeout(() => this.#flush(), this.#intervalMs);
    this.#report(this.#latest);
  }
}

function isSame(one: SourceStatus, other: SourceStatus | undefined): boolean {
  return (
    one.state === other?.state &&
    one.message === other.message &&
    one.objects === other.objects &&
    one.skipped === other.skipped &&
    one.resourceVersion === other.resourceVersion &&
    one.sinceMs === other.sinceMs
  );
}
