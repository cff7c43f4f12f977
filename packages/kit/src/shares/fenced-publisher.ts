/**
 * Publishes what one owner of partitions derives, so that an owner that was paused, and whose partitions are another's
 * now, cannot change anything.
 *
 * Every document is stored only onto the message that its owner knows to be the last one of its subject (compare-and-swap
 * by sequence). Three rules make that a fence:
 *
 *     1. Taking over from a lost owner begins with a touch: each message of the partition, tombstones included, is stored
 *        again as it is. Whatever the lost owner still has on its way expects a sequence that is no longer the last.
 *     2. A subject without any message cannot be touched. So a new one is first reserved: a tombstone onto nothing, which
 *        does no harm whenever it arrives. The document follows onto that tombstone, after its answer has come and only
 *        within the lease. The reservation was then stored within the lease, before any take-over began, and was touched.
 *     3. Nothing is sent twice: an append without an answer means that the partition is read anew.
 *
 * After a clean hand-over nothing is on its way, so nothing is touched.
 */
import {
  isSignalboxError,
  parseDerivedSubject,
  partitionOf,
  SignalboxError,
  type StreamName,
} from '@signalbox/contracts';
import type { AppendEntry, EventLog, LogMessage } from '@signalbox/event-log';
import { LEAD } from './group-state.ts';

interface FencedPublisherOptions {
  readonly log: EventLog;
  readonly stream: StreamName;
  /** To which of what is held a subject belongs. */
  readonly partitionOf: (subject: string) => string;
  /** Asked right before anything is sent. */
  readonly isValid: () => boolean;
}

const MAX_TOUCHES = 5;

export class FencedPublisher {
  readonly #options: FencedPublisherOptions;
  /** Of each partition that is held: subject → sequence of its last message. */
  readonly #sequences = new Map<string, Map<string, number>>();

  constructor(options: FencedPublisherOptions) {
    this.#options = options;
  }

  holds(partition: string): boolean {
    return this.#sequences.has(partition);
  }

  get partitions(): string[] {
    return [...this.#sequences.keys()];
  }

  /** From here on these partitions are ours, as `read` finds them; the ones in `dirty` are touched first. */
  async hold(
    partitions: readonly string[],
    { dirty, read }: { dirty: ReadonlySet<string>; read: () => Promise<LogMessage[]> },
  ): Promise<LogMessage[]> {
    const messages = dirty.size === 0 ? await read() : await this.#touchUntilQuiet(dirty, read);
    for (const partition of partitions) this.#sequences.set(partition, new Map());
    for (const { subject, sequence } of messages)
      this.#sequences.get(this.#options.partitionOf(subject))?.set(subject, sequence);
    return messages;
  }

  drop(partitions: Iterable<string>): void {
    for (const partition of partitions) this.#sequences.delete(partition);
  }

  /** Throws `conflict` when somebody else wrote here, `unavailable` when it is not known what was stored. */
  async publish(entries: readonly AppendEntry[]): Promise<void> {
    const fresh = entries.filter(({ subject, data }) => data !== null && this.#sequenceOf(subject) === 0);
    await this.#append(fresh.map(({ subject }) => ({ subject, data: null })));
    await this.#append(entries);
  }

  async #append(entries: readonly AppendEntry[]): Promise<void> {
    if (entries.length === 0) return;
    if (!this.#options.isValid()) throw new SignalboxError('conflict', 'the lease is over: others publish now');
    const expecting = entries.map((entry) => ({ ...entry, expectedSequence: this.#sequenceOf(entry.subject) }));
    const sequences = await this.#options.log.appendAll(this.#options.stream, expecting);
    for (const [index, { subject }] of entries.entries()) {
      this.#sequences.get(this.#options.partitionOf(subject))?.set(subject, sequences[index] ?? 0);
    }
  }

  #sequenceOf(subject: string): number {
    return this.#sequences.get(this.#options.partitionOf(subject))?.get(subject) ?? 0;
  }

  /** What arrives between reading and touching is the lost owner's last word: read again, and touched as well. */
  async #touchUntilQuiet(dirty: ReadonlySet<string>, read: () => Promise<LogMessage[]>): Promise<LogMessage[]> {
    for (let attempt = 1; ; attempt += 1) {
      const messages = await read();
      const old = messages.filter(({ subject }) => dirty.has(this.#options.partitionOf(subject)));
      const touches = old.map(({ subject, data, headers, sequence }) => ({
        subject,
        data,
        ...(headers && { headers }),
        expectedSequence: sequence,
      }));
      try {
        const sequences = await this.#options.log.appendAll(this.#options.stream, touches);
        const touched = new Map(old.map(({ subject }, index) => [subject, sequences[index] ?? 0]));
        return messages.map((message) => ({ ...message, sequence: touched.get(message.subject) ?? message.sequence }));
      } catch (error) {
        if (!isSignalboxError(error, 'conflict') || attempt === MAX_TOUCHES) throw error;
      }
    }
  }
}

/** Every message of a layer is in one slot: documents by their Service, the watermark with the lead. */
export function partitionOfDerived(subject: string): string {
  const parsed = parseDerivedSubject(subject);
  return parsed.type === 'watermark' ? LEAD : partitionOf(parsed.key.namespace, parsed.key.name);
}
