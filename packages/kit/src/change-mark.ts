/** When something last changed: the revision, and the time of the change in the cluster (epoch milliseconds). */
export interface ChangeMark {
  readonly revision: number;
  readonly changedAtMs: number;
  /** Of the message that told it, where it was traced. */
  readonly traceparent?: string;
}

export const NEVER: ChangeMark = { revision: 0, changedAtMs: 0 };
