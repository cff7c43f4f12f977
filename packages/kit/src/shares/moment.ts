/** Two clocks: one stands still while a machine is suspended, the other one may be set. The longer time counts. */
export interface Moment {
  readonly wallMs: number;
  readonly steadyMs: number;
}

export function now(): Moment {
  return { wallMs: Date.now(), steadyMs: performance.now() };
}

/** Milliseconds. */
export function elapsedSince({ wallMs, steadyMs }: Moment): number {
  return Math.max(Date.now() - wallMs, performance.now() - steadyMs);
}
