/** Time as services see it, so that tests can set it. */
export interface Clock {
  nowMs(): number;
  /** Calls once, not before `atMs`. Returns what takes it back. */
  callAt(atMs: number, call: () => void): () => void;
}

/** Node's timers count 31 bits; one that is called early asks again. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Epoch milliseconds: for times that are published, and mean the same to a later process. */
export const SYSTEM_CLOCK: Clock = clockOf(() => Date.now());

/** Milliseconds of this process, which nobody sets back: for pauses and periods. */
export const STEADY_CLOCK: Clock = clockOf(() => performance.now());

/** Resolves at the time, or when the signal aborts. */
export async function untilMs(clock: Clock, atMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.callAt(atMs, done);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}

function clockOf(nowMs: () => number): Clock {
  return {
    nowMs,
    callAt: (atMs, call) => {
      const timer = setTimeout(call, Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(atMs - nowMs()))));
      return () => clearTimeout(timer);
    },
  };
}
