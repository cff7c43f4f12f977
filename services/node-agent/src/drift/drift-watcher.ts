/**
 * Compares the kernel with what was programmed, reports, and has it repaired.
 *
 *     waiting ──(timer, or somebody changed the rules and then was quiet)──► checking ──(equal)──► waiting
 *        ▲                                                                      │ (differs)
 *        └──────────────(report: repaired or not)── checking again ◄── repairing┘
 *
 * A check counts only if the agent programmed nothing while the kernel was read: else it is given up, because reading would
 * begin again with each change, and made again later. What a repair did not mend (somebody puts it back, or it cannot be
 * loaded) is repaired again by the timer only, so that two programs that disagree do not fight as fast as they can.
 */
import { type DriftOwner, type DriftReport, errorText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { StateComparison } from '@signalbox/rules';
import type { CompareKernel, KernelComparison, WantedRules } from './kernel-comparison.ts';

/** What the node has programmed. */
export interface Expectation extends WantedRules {
  readonly revision: number;
  /** Changes with every transaction, also one that ends as it began. */
  readonly version: number;
}

export interface DriftWatcherOptions {
  readonly cluster: string;
  readonly owner: DriftOwner;
  readonly compareKernel: CompareKernel;
  /** Undefined before anything is programmed, and while a transaction is under way. */
  readonly expected: () => Expectation | undefined;
  /** Programs everything again; resolves when that is done. Absent: observe, and never touch. */
  readonly repair?: () => Promise<void>;
  /** After each check, also when nothing differs. */
  readonly onReport: (report: DriftReport) => void;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** After a change by others, wait until none came for so long. Default one second. */
  readonly quietMs?: number;
  /** Between two checks because of changes by others. Default 15 seconds. */
  readonly minGapMs?: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export interface DriftWatcher {
  /** Somebody else has changed the rules. */
  noteChange(): void;
  /** The agent has programmed something: a check under way would not count, and begins again later. */
  noteProgrammed(): void;
  /** Undefined when there was nothing to compare with, or it changed meanwhile. One at a time: others wait. */
  check(): Promise<DriftReport | undefined>;
  /** Gives up the check under way, unless it has got to repairing: that is finished. Idempotent. */
  stop(): Promise<void>;
}

export function openDriftWatcher(options: DriftWatcherOptions): DriftWatcher {
  return new Watcher(options);
}

type Trigger = 'timer' | 'change' | 'asked';

class Watcher implements DriftWatcher {
  readonly #options: DriftWatcherOptions;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #pendingChange: NodeJS.Timeout | undefined;
  #lastChangeCheckMs = Number.NEGATIVE_INFINITY;
  #work: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #isRepairFutile = false;
  readonly #stopping = new AbortController();
  #reading: AbortController | undefined;

  constructor(options: DriftWatcherOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#timer = setInterval(() => {
      // Where a check takes longer than the interval, there is one after the other, and no queue.
      if (this.#queued === 0) void this.#enqueue('timer');
    }, options.intervalMs);
  }

  noteChange(): void {
    if (this.#stopping.signal.aborted) return;
    const { quietMs = 1_000, minGapMs = 15_000 } = this.#options;
    const waitMs = Math.max(quietMs, this.#lastChangeCheckMs + minGapMs - this.#now());
    clearTimeout(this.#pendingChange);
    this.#pendingChange = setTimeout(() => {
      this.#pendingChange = undefined;
      this.#lastChangeCheckMs = this.#now();
      void this.#enqueue('change');
    }, waitMs);
  }

  noteProgrammed(): void {
    this.#reading?.abort();
  }

  check(): Promise<DriftReport | undefined> {
    return this.#enqueue('asked');
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#timer);
    clearTimeout(this.#pendingChange);
    await this.#work;
  }

  #enqueue(trigger: Trigger): Promise<DriftReport | undefined> {
    this.#queued += 1;
    const next = this.#work.then(() => (this.#stopping.signal.aborted ? undefined : this.#check(trigger)));
    this.#work = next.finally(() => {
      this.#queued -= 1;
    });
    return next;
  }

  async #check(trigger: Trigger): Promise<DriftReport | undefined> {
    const { expected, onReport, logger } = this.#options;
    const before = expected();
    if (before === undefined) {
      // What somebody has changed is looked at when the agent is done.
      if (trigger === 'change') this.noteChange();
      return undefined;
    }
    if (trigger === 'timer') this.#isRepairFutile = false;
    let report: DriftReport | undefined;
    try {
      const comparison = await this.#compare(before);
      report = comparison && (await this.#settle(before, comparison));
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      report = this.#report(before, NOTHING_COMPARED, { error: errorText(error) });
    }
    // The rules changed while they were read: look again when they are quiet.
    if (report === undefined) this.noteChange();
    if (report === undefined) return undefined;
    logOutcome(logger, report);
    onReport(report);
    return report;
  }

  /** Undefined when something else was programmed meanwhile. */
  async #compare(wanted: Expectation): Promise<KernelComparison | undefined> {
    const { compareKernel, expected } = this.#options;
    const reading = new AbortController();
    this.#reading = reading;
    try {
      const comparison = await compareKernel(wanted, AbortSignal.any([this.#stopping.signal, reading.signal]));
      return expected()?.version === wanted.version ? comparison : undefined;
    } catch (error) {
      if (reading.signal.aborted) return undefined;
      throw error;
    } finally {
      this.#reading = undefined;
    }
  }

  async #settle(before: Expectation, found: KernelComparison): Promise<DriftReport> {
    const { repair, expected } = this.#options;
    if (isEqual(found)) this.#isRepairFutile = false;
    if (isEqual(found) || repair === undefined || this.#isRepairFutile) return this.#report(before, found, {});
    try {
      await repair();
    } catch (error) {
      this.#isRepairFutile = true;
      return this.#report(before, found, { error: `not repaired: ${errorText(error)}` });
    }
    const after = expected();
    const left = after && (await this.#compare(after));
    // What the agent has programmed since is for the next check to judge.
    const repaired = left === undefined || isEqual(left);
    this.#isRepairFutile = !repaired;
    return this.#report(before, repaired ? found : left, repaired ? { repaired } : { error: STILL_DIFFERENT });
  }

  #report(
    { revision, options }: Expectation,
    { differences, totals, unreadable }: KernelComparison,
    outcome: { readonly repaired?: boolean; readonly error?: string },
  ): DriftReport {
    const { cluster, owner } = this.#options;
    return {
      cluster,
      node: options.node.name,
      backend: options.backend,
      owner,
      revision,
      checkedAtMs: this.#now(),
      differences: [...differences],
      totals: { ...totals },
      unreadable,
      repaired: outcome.repaired ?? false,
      error: (outcome.error ?? '').slice(0, ERROR_LENGTH_MAX),
    };
  }
}

const NOTHING_COMPARED: KernelComparison = {
  differences: [],
  totals: { added: 0, missing: 0, changed: 0 },
  unreadable: 0,
};
const STILL_DIFFERENT = 'the rules were loaded again, and the kernel still differs';
const ERROR_LENGTH_MAX = 1_000;

function isEqual({ totals }: StateComparison): boolean {
  return totals.added + totals.missing + totals.changed === 0;
}

function logOutcome(logger: Logger, { totals, repaired, error, revision, differences, owner }: DriftReport): void {
  if (error !== '') logger.warn({ error, totals, revision, owner }, 'the kernel could not be compared or repaired');
  else if (!isEqual({ totals, differences })) {
    logger.warn(
      { totals, repaired, revision, owner, first: differences[0] },
      'the kernel differs from what was programmed',
    );
  }
}
