/** Time as the controller sees it, so that tests can set it. */
export interface Clock {
  nowMs(): number;
  /** Calls once, not before `atMs`. Returns what takes it back. */
  callAt(atMs: number, call: () => void): () => void;
}

/** Node's timers count 31 bits; one that is called early asks again. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  callAt: (atMs, call) => {
    const timer = setTimeout(call, Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(atMs - Date.now()))));
    return () => clearTimeout(timer);
  },
};
