/** How often other servers are bothered. */
export interface TransferTimings {
  /** Between two notifications of one zone to one secondary. */
  readonly notifyIntervalMs: number;
  /** Before the first repetition of what failed; it doubles with each, up to the second number. */
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
  /** Without an answer for so long, another server is taken to be away. */
  readonly timeoutMs: number;
  /** Between two comparisons of everything that is pushed. */
  readonly reconcileMs: number;
}

export const DEFAULT_TIMINGS: TransferTimings = {
  notifyIntervalMs: 1000,
  minRetryMs: 1000,
  maxRetryMs: 60_000,
  timeoutMs: 5000,
  reconcileMs: 3_600_000,
};
