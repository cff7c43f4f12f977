/** What a test makes go wrong. */
import type { SourceKind } from '@signalbox/contracts';

/** Applies to the next `times` requests of its kind and verb, oldest fault first. */
export type Fault = {
  readonly kind: SourceKind;
  readonly on?: 'list' | 'watch';
  /** Default 1; `Infinity` until `clearFaults`. */
  readonly times?: number;
} & FaultType;

export type FaultType =
  | { readonly type: 'status'; readonly code: number; readonly retryAfterSeconds?: number }
  /** ERROR event in a watch that was accepted. */
  | { readonly type: 'error-event'; readonly status: object }
  /** The connection breaks when this many bytes of the body were sent. */
  | { readonly type: 'cut'; readonly afterBytes: number }
  /** The body ends in good order after this many bytes. */
  | { readonly type: 'end'; readonly afterBytes: number }
  /** Half-open: the connection stays, and nothing more comes. */
  | { readonly type: 'stall'; readonly afterBytes: number }
  /** The body comes in pieces of this many bytes. */
  | { readonly type: 'trickle'; readonly bytes: number }
  /** After each event of a watch the three before it come again, the latest first. */
  | { readonly type: 'replay' };

export class FaultQueue {
  #faults: { fault: Fault; left: number }[] = [];

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults = [];
  }

  take(kind: SourceKind, verb: 'list' | 'watch'): Fault | undefined {
    const entry = this.#faults.find(({ fault }) => fault.kind === kind && (fault.on ?? verb) === verb);
    if (entry === undefined) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#faults = this.#faults.filter((other) => other !== entry);
    return entry.fault;
  }
}
