/**
 * Removes what load balancers said of target groups that are no more. Drivers take their reports back themselves; those of
 * controllers behind the HTTP API, and of drivers that ended for good, would stay for ever.
 *
 * A tombstone names the report that it is to follow, so one that came meanwhile, on a group that is there again, stays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isSignalboxError,
  parseTargetGroupReportSubject,
  type TargetGroupKey,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';
import { StatusFeed, type StatusFeedOptions } from './status-feeds.ts';

interface ReportSweeperOptions extends Omit<StatusFeedOptions, 'onChange'> {
  readonly log: EventLog;
  readonly isThere: (group: TargetGroupKey) => boolean;
}

interface Report {
  readonly subject: string;
  readonly sequence: number;
  readonly group: TargetGroupKey;
}

const RETRY_MS = 1_000;

export class ReportSweeper extends StatusFeed {
  readonly filter = 'status.group.>';
  readonly #options: ReportSweeperOptions;
  /** By subject of their set, and by their own. */
  readonly #reports = new Map<string, Map<string, Report>>();
  /** Sets of which a group may have gone, or a report come. */
  readonly #noted = new Set<string>();
  #onWake = (): void => {};

  constructor(options: ReportSweeperOptions) {
    super({ ...options, onChange: () => {} });
    this.#options = options;
  }

  /** This set was published. */
  note(setSubject: string): void {
    if (!this.#reports.has(setSubject)) return;
    this.#noted.add(setSubject);
    this.#onWake();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#onWake(), { once: true });
    while (!signal.aborted) {
      const stale = this.#takeStale();
      if (stale.length === 0) {
        await new Promise<void>((resolve) => {
          this.#onWake = resolve;
        });
      } else if (!(await this.#remove(stale))) await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  protected clear(): void {
    this.#reports.clear();
    this.#noted.clear();
  }

  protected read({ subject, data, sequence }: LogMessage): void {
    const group = parseTargetGroupReportSubject(subject);
    const setSubject = targetGroupSetSubject(group);
    const reports = this.#reports.get(setSubject) ?? new Map<string, Report>();
    if (data === null) reports.delete(subject);
    else reports.set(subject, { subject, sequence, group });
    if (reports.size === 0) this.#reports.delete(setSubject);
    else this.#reports.set(setSubject, reports);
    this.note(setSubject);
  }

  #takeStale(): Report[] {
    const reports = [...this.#noted].flatMap((each) => [...(this.#reports.get(each)?.values() ?? [])]);
    this.#noted.clear();
    return reports.filter(({ group }) => !this.#options.isThere(group));
  }

  /** False when the log is away: those that are left are noted again. */
  async #remove(stale: readonly Report[]): Promise<boolean> {
    const { log, logger } = this.#options;
    for (const [done, { subject, sequence }] of stale.entries()) {
      try {
        await log.append('status', { subject, data: null, expectedSequence: sequence });
      } catch (err) {
        // The one that came instead is about to be read.
        if (isSignalboxError(err, 'conflict')) continue;
        logger.warn({ err }, 'reports on target groups that are gone could not be removed, trying again');
        for (const { group } of stale.slice(done)) this.note(targetGroupSetSubject(group));
        return false;
      }
    }
    return true;
  }
}
