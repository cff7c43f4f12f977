/**
 * Tells the log how far a consumer has come. At most one message in an interval, except that a failure and its end are told
 * at once; what was not told while the log was away is told, as it is then, when the log is back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ack, ackSchema, ackSubject, errorText } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { Logger } from './logger.ts';
import { SoleWriter } from './sole-writer.ts';

const MAX_RETRY_MS = 10_000;
const MAX_ERROR_LENGTH = 2000;

interface AcknowledgerOptions {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** Asked whenever something may have changed; its layer, cluster and consumer stay the same. */
  readonly currentAck: () => Ack;
}

export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  readonly #writer: SoleWriter;
  #told: Ack | undefined;
  #wake = (): void => {};
  #isUrgent = (): void => {};

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
    this.#writer = new SoleWriter({ log: options.log, stream: 'status', unknown: 'ask' });
  }

  /** Something may have changed. */
  note(): void {
    this.#wake();
    if (this.#hasUrgentNews) this.#isUrgent();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let retryInMs = 250;
    while (!signal.aborted) {
      const ack = this.#current;
      if (this.#isToldAlready(ack)) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const isTold = await this.#tell(ack);
      // It came while the word before it was on its way.
      if (isTold && this.#hasUrgentNews) continue;
      await this.#pause(isTold ? this.#options.intervalMs : retryInMs, signal);
      retryInMs = isTold ? 250 : Math.min(retryInMs * 2, MAX_RETRY_MS);
    }
  }

  get #current(): Ack {
    return readAck(this.#options.currentAck());
  }

  /** A failure, its end, or another one. */
  get #hasUrgentNews(): boolean {
    return (this.#told?.error ?? '') !== this.#current.error;
  }

  #isToldAlready(ack: Ack): boolean {
    if (ack.appliedAtMs === null && ack.error === '') return true;
    return JSON.stringify({ ...ack, appliedAtMs: 0 }) === JSON.stringify({ ...this.#told, appliedAtMs: 0 });
  }

  async #tell(ack: Ack): Promise<boolean> {
    try {
      await this.#writer.append([{ subject: ackSubject(ack), data: JSON.stringify(ack) }]);
      this.#told = ack;
      return true;
    } catch (error) {
      this.#options.logger.warn({ reason: errorText(error) }, 'the acknowledgement could not be sent, trying again');
      return false;
    }
  }

  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    const urgent = new Promise<void>((resolve) => {
      this.#isUrgent = resolve;
    });
    const over = new AbortController();
    const stopped = AbortSignal.any([signal, over.signal]);
    await Promise.race([urgent, sleep(milliseconds, undefined, { signal: stopped }).catch(() => {})]);
    over.abort();
    this.#isUrgent = () => {};
  }
}

function readAck(ack: Ack): Ack {
  return ackSchema.parse({ ...ack, error: ack.error.slice(0, MAX_ERROR_LENGTH) });
}
