/**
 * A server may answer for a consumer, heartbeats and all, that delivers nothing: its copy of the stream has fallen behind, or
 * somebody has changed it. What tells is that the stream goes further, while nothing comes.
 */

/** Far more than a message is on its way. */
const STALL_MS = 5000;

export class StallWatch {
  #sinceMs: number | undefined;

  /** The stream goes further than what came. */
  get isSuspicious(): boolean {
    return this.#sinceMs !== undefined;
  }

  /** A message came. */
  moved(): void {
    this.#sinceMs = undefined;
  }

  /** Nothing came since the last time, and the stream ends at `end`. True when that has been so for too long; then it begins anew. */
  isStalled(position: number, end: number): boolean {
    this.#sinceMs = position < end ? (this.#sinceMs ?? Date.now()) : undefined;
    if (this.#sinceMs === undefined || Date.now() - this.#sinceMs < STALL_MS) return false;
    this.#sinceMs = undefined;
    return true;
  }
}
