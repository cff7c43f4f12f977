/** Tells the control plane what the last check found: at once when that is another finding, else now and then. */
import { type DriftReport, driftSubject, errorText } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { Logger } from '@signalbox/kit';

export interface DriftPublisherOptions {
  readonly log: Pick<EventLog, 'append'>;
  readonly logger: Logger;
  /** After so long an equal finding is told again, so that its time is not old. Default ten minutes. */
  readonly repeatMs?: number;
}

export class DriftPublisher {
  readonly #options: DriftPublisherOptions;
  #told: DriftReport | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: DriftPublisherOptions) {
    this.#options = options;
  }

  /** Never rejects: a report that could not be told is replaced by that of the next check. */
  publish(report: DriftReport): Promise<void> {
    this.#work = this.#work.then(() => this.#publish(report));
    return this.#work;
  }

  async #publish(report: DriftReport): Promise<void> {
    const { log, logger, repeatMs = 600_000 } = this.#options;
    const isRecent = this.#told !== undefined && report.checkedAtMs - this.#told.checkedAtMs < repeatMs;
    if (isRecent && findingOf(report) === findingOf(this.#told)) return;
    try {
      const subject = driftSubject(report.cluster, report.node);
      await log.append('status', { subject, data: JSON.stringify(report) });
      this.#told = report;
    } catch (error) {
      logger.warn({ reason: errorText(error) }, 'the drift report could not be sent');
    }
  }
}

function findingOf(report: DriftReport | undefined): string {
  return JSON.stringify({ ...report, checkedAtMs: 0, revision: 0 });
}
