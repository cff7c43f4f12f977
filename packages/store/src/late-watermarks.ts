/**
 * Watermarks that have to wait. While the log delivers what is no state of the stream (see `LogBatch`), a document may be
 * missing that a watermark covers, and come later in a version beyond it. What was valid at that watermark cannot be known
 * any more, so it is left out; the next one that covers all such documents is the first to count.
 */
import { type Layer, parseDerivedSubject } from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';

export class LateWatermarks {
  /** The last one of each layer. */
  readonly #waiting = new Map<Layer, { readonly message: LogMessage; readonly revision: number }>();
  /** Of the documents that came where something was missing, by layer. */
  readonly #newest = new Map<Layer, number>();

  clear(): void {
    this.#waiting.clear();
    this.#newest.clear();
  }

  put(message: LogMessage): void {
    this.#waiting.set(parseDerivedSubject(message.subject).layer, { message, revision: revisionOf(message.data) });
  }

  noteDocument({ subject, data }: LogMessage): void {
    const { layer } = parseDerivedSubject(subject);
    this.#newest.set(layer, Math.max(this.#newest.get(layer) ?? 0, revisionOf(data)));
  }

  /** Those that cover everything that came late; called when nothing is missing. */
  takeDue(): LogMessage[] {
    const due = [...this.#waiting].filter(([layer, { revision }]) => revision >= (this.#newest.get(layer) ?? 0));
    for (const [layer] of due) {
      this.#waiting.delete(layer);
      this.#newest.delete(layer);
    }
    return due.map(([, { message }]) => message);
  }
}

function revisionOf(data: string | null): number {
  const revision: unknown = data === null ? 0 : (JSON.parse(data) as { revision?: unknown }).revision;
  return typeof revision === 'number' ? revision : 0;
}
