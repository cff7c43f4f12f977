/**
 * Watermarks that have to wait: while the log delivers what is no state of the stream (see `LogBatch`), a document may be
 * missing that a watermark covers.
 */
import { type Layer, parseDerivedSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';

export class LateWatermarks {
  /** The last one of each layer. */
  readonly #waiting = new Map<Layer, LogMessage>();

  clear(): void {
    this.#waiting.clear();
  }

  put(message: LogMessage): void {
    this.#waiting.set(parseDerivedSubject(message.subject).layer, message);
  }

  /** Called when nothing is missing. */
  take(): LogMessage[] {
    const waiting = [...this.#waiting.values()];
    this.clear();
    return waiting;
  }
}
