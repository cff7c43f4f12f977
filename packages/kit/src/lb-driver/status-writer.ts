/**
 * Last-value messages of the STATUS stream that follow a state: what differs from what the log was told is written, at
 * most once in an interval, all in one append. While the log is away the newest state waits, never a queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText } from '@signalbox/contracts';
import type { ServiceContext } from '../service.ts';
import { SoleWriter } from '../sole-writer.ts';

interface StatusWriterOptions {
  readonly intervalMs: number;
  /** Nothing is written while false. Default: always. */
  readonly mayWrite?: () => boolean;
}

interface Wanted {
  /** Compared with what was told. */
  readonly content: string;
  readonly data: string;
}

const MAX_RETRY_MS = 10_000;

export class StatusWriter {
  readonly #context: ServiceContext;
  readonly #options: StatusWriterOptions;
  readonly #writer: SoleWriter;
  readonly #wanted = new Map<string, Wanted>();
  /** Content that the log has, by subject; empty: something, by an earlier life. */
  readonly #told = new Map<string, string>();
  readonly #dirty = new Set<string>();
  #wake = (): void => {};

  constructor(context: ServiceContext, options: StatusWriterOptions) {
    this.#context = context;
    this.#options = options;
    this.#writer = new SoleWriter({ log: context.log, stream: 'status', unknown: 'ask' });
  }

  /** `stamps` are times, which alone are no reason to write. */
  set(subject: string, content: object, stamps: object = {}): void {
    const text = JSON.stringify(content);
    if (this.#wanted.get(subject)?.content === text) return;
    this.#wanted.set(subject, { content: text, data: JSON.stringify({ ...content, ...stamps }) });
    this.#mark(subject);
  }

  /** Leaves a tombstone for all that is not among them, also of an earlier life. */
  retain(subjects: ReadonlySet<string>): void {
    for (const subject of [...this.#wanted.keys(), ...this.#told.keys()]) {
      if (subjects.has(subject)) continue;
      this.#wanted.delete(subject);
      if (this.#told.has(subject)) this.#mark(subject);
    }
  }

  /** Learns which messages an earlier life, or another holder of the lease, left behind. */
  async restore(pattern: string): Promise<void> {
    for await (const batch of this.#context.log.follow('status', { from: 'snapshot', filter: pattern })) {
      for (const message of batch.messages) {
        this.#writer.note(message);
        const { subject, data } = message;
        if (data === null) this.#told.delete(subject);
        else this.#told.set(subject, '');
      }
      if (batch.isCaughtUp) break;
    }
    for (const subject of this.#wanted.keys()) this.#mark(subject);
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let retryInMs = 250;
    while (!signal.aborted) {
      if (this.#dirty.size === 0 || this.#options.mayWrite?.() === false) await this.#untilMarked();
      else {
        const isWritten = await this.#flush();
        await sleep(isWritten ? this.#options.intervalMs : retryInMs, undefined, { signal }).catch(() => {});
        retryInMs = isWritten ? 250 : Math.min(retryInMs * 2, MAX_RETRY_MS);
      }
    }
    if (this.#dirty.size > 0 && this.#options.mayWrite?.() !== false) await this.#flush();
  }

  /** Something that `mayWrite` depends on has changed. */
  note(): void {
    this.#wake();
  }

  #mark(subject: string): void {
    this.#dirty.add(subject);
    this.#wake();
  }

  async #untilMarked(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => {};
  }

  async #flush(): Promise<boolean> {
    const subjects = [...this.#dirty];
    this.#dirty.clear();
    const changed = subjects.filter((subject) => this.#wanted.get(subject)?.content !== this.#told.get(subject));
    try {
      const entries = changed.map((subject) => ({ subject, data: this.#wanted.get(subject)?.data ?? null }));
      const contents = changed.map((subject) => this.#wanted.get(subject)?.content);
      if (entries.length > 0) await this.#writer.append(entries);
      for (const [i, subject] of changed.entries()) this.#noteTold(subject, contents[i]);
      return true;
    } catch (error) {
      for (const subject of changed) this.#dirty.add(subject);
      this.#context.logger.warn({ reason: errorText(error) }, 'the status could not be written, trying again');
      return false;
    }
  }

  #noteTold(subject: string, content: string | undefined): void {
    if (content === undefined) this.#told.delete(subject);
    else this.#told.set(subject, content);
  }
}
