/** What one step adds up while it decides. */

export const DECISIONS = [
  /** entered: became active */
  'added',
  /** left: no longer among the wanted ones */
  'removed',
  /** left: terminates, and drains */
  'drained',
  /** began to wait for others to come */
  'batched',
  /** began to wait because it came and went too often */
  'suppressed',
  /** entered although it flaps, because too many do */
  'unsuppressed',
  /** began to wait for the nodes' rules */
  'rules-awaited',
  /** entered without them */
  'rules-overdue',
  /** began to wait for the class's updates */
  'rate-limited',
  /** stays although it is not wanted: too many at once */
  'guard-held',
  /** left after the guard's time limit */
  'guard-expired',
  /** left because somebody confirmed it */
  'confirmed',
  /** stays because its cluster cannot be read */
  'last-known-good',
] as const;
export type Decision = (typeof DECISIONS)[number];

export class Tally {
  readonly nowMs: number;
  readonly decisions: Partial<Record<Decision, number>> = {};
  /** Something waits for nothing but a turn of its class. */
  wantsUpdate = false;
  /** The turn that was given has been used. */
  usedUpdate = false;
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** When something changes by time alone; undefined when nothing does. */
  get nextDeadlineMs(): number | undefined {
    return Number.isFinite(this.#nextDeadlineMs) ? this.#nextDeadlineMs : undefined;
  }

  count(decision: Decision, times = 1): void {
    if (times > 0) this.decisions[decision] = (this.decisions[decision] ?? 0) + times;
  }

  wakeAt(atMs: number): void {
    if (atMs > this.nowMs && atMs < this.#nextDeadlineMs) this.#nextDeadlineMs = atMs;
  }
}
