/**
 * Appends to subjects that only one process writes at a time, so that no older value can come after a newer one.
 *
 * A network may keep a copy of what was sent, and deliver it when the sender has long connected anew, sent it again, and
 * gone on to newer values. So every message names the one that it follows (compare-and-swap by sequence): a copy that comes
 * late is refused. What was not answered is looked up before anything is sent again.
 */
import { errorText, isSignalboxError, SignalboxError, type StreamName } from '@signalbox/contracts';
import type { AppendEntry, EventLog, LogMessage } from '@signalbox/event-log';
import pRetry from 'p-retry';

interface SoleWriterOptions {
  readonly log: Pick<EventLog, 'appendAll' | 'last'>;
  readonly stream: StreamName;
  /** Of a subject that was not noted: that it is `absent`, for whoever has read all of them, or `ask` for its last message. */
  readonly unknown: 'absent' | 'ask';
  /** False for a message that somebody else wrote meanwhile: then appending throws `conflict`. Default: everything is ours. */
  readonly isOwn?: (message: LogMessage) => boolean;
}

export interface AppendRetryOptions {
  readonly signal: AbortSignal;
  /** Told of each failed attempt. */
  readonly onFailure: (error: unknown, text: string) => void;
}

const MAX_TRIES = 5;
const MAX_RETRY_MS = 2000;
/** One that is forgotten costs a look when its subject comes back. */
const MAX_TOMBSTONES = 10_000;

export class SoleWriter {
  readonly #options: SoleWriterOptions;
  /** Subject → sequence of its last message. */
  readonly #sequences = new Map<string, number>();
  /** Those of them that are tombstones, oldest first. */
  readonly #tombstones = new Set<string>();
  /** Subjects of appends without an answer. */
  readonly #uncertain = new Set<string>();

  constructor(options: SoleWriterOptions) {
    this.#options = options;
  }

  /** A message that was read. */
  note({ subject, sequence, data }: Pick<LogMessage, 'subject' | 'sequence' | 'data'>): void {
    this.#sequences.set(subject, sequence);
    this.#tombstones.delete(subject);
    if (data !== null) return;
    this.#tombstones.add(subject);
    const [oldest] = this.#tombstones;
    if (oldest === undefined || this.#tombstones.size <= MAX_TOMBSTONES) return;
    this.#tombstones.delete(oldest);
    this.#sequences.delete(oldest);
  }

  /** Of its last message, as far as it was noted; 0: of none. */
  sequenceOf(subject: string): number {
    return this.#sequences.get(subject) ?? 0;
  }

  /**
   * Each subject once. Throws what the log throws; some may have been stored then. Calling it again with the same entries, or
   * newer ones of these subjects, goes on from there.
   */
  async append(entries: readonly AppendEntry[]): Promise<void> {
    let missing = await this.#missing(entries);
    for (let attempt = 1; missing.length > 0; attempt += 1) {
      try {
        await this.#appendOnto(missing);
        return;
      } catch (error) {
        for (const { subject } of missing) this.#uncertain.add(subject);
        if (!isSignalboxError(error, 'conflict')) throw error;
        if (attempt === MAX_TRIES) throw new SignalboxError('unavailable', errorText(error), { cause: error });
      }
      missing = await this.#missing(missing);
    }
  }

  /**
   * Until it succeeds: an event log that is away or full stops its writers, it never makes them lose a change. Back-off with
   * jitter, at most 2 s. Throws what will not go away by itself, and the signal's reason when aborted.
   */
  async appendRetrying(entries: readonly AppendEntry[], { signal, onFailure }: AppendRetryOptions): Promise<void> {
    await pRetry(() => this.append(entries), {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 100,
      maxTimeout: MAX_RETRY_MS,
      randomize: true,
      signal,
      shouldRetry: ({ error }) => isSignalboxError(error, 'unavailable') || isSignalboxError(error, 'limit'),
      onFailedAttempt: ({ error }) => {
        if (!signal.aborted) onFailure(error, errorText(error));
      },
    });
  }

  async #appendOnto(entries: readonly AppendEntry[]): Promise<void> {
    const onto = entries.map((entry) => ({ ...entry, expectedSequence: this.sequenceOf(entry.subject) }));
    const sequences = await this.#options.log.appendAll(this.#options.stream, onto);
    for (const [i, { subject, data }] of entries.entries()) this.note({ subject, data, sequence: sequences[i] ?? 0 });
  }

  /** Those that the log does not hold, as far as it has to be asked. */
  async #missing(entries: readonly AppendEntry[]): Promise<AppendEntry[]> {
    const isMissing = await Promise.all(
      entries.map(async (entry) => !this.#mustAsk(entry) || (await this.#lookUp(entry))),
    );
    return entries.filter((_, i) => isMissing[i]);
  }

  #mustAsk({ subject }: AppendEntry): boolean {
    if (this.#uncertain.has(subject)) return true;
    return this.#options.unknown === 'ask' && !this.#sequences.has(subject);
  }

  async #lookUp({ subject, data }: AppendEntry): Promise<boolean> {
    const { log, stream, isOwn = () => true } = this.#options;
    const last = await log.last(stream, subject);
    if (last === undefined) this.#forget(subject);
    else if (last.sequence !== this.#sequences.get(subject)) {
      const isNews = this.#sequences.has(subject) || this.#uncertain.has(subject);
      if (isNews && !isOwn(last)) throw new SignalboxError('conflict', `${subject} was written by somebody else`);
      this.note(last);
    }
    this.#uncertain.delete(subject);
    return (last?.data ?? null) !== data;
  }

  #forget(subject: string): void {
    this.#sequences.delete(subject);
    this.#tombstones.delete(subject);
  }
}
