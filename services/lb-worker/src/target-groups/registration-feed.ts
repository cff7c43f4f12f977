/**
 * The DERIVED stream → batches of changed registrations, each up to a watermark: what is decided together is of one
 * revision. While the stream is replayed nothing is given.
 */
import {
  type DerivedMessage,
  parseDerivedSubject,
  registrationSetSchema,
  type ServiceKey,
  serviceKeyText,
  type Watermark,
  watermarkSchema,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import { type Logger, type MessageTrace, type StreamReader, traceOf } from '@signalbox/kit';
import type { WantedGroups } from '@signalbox/registrations';

export interface RegistrationChange {
  readonly key: ServiceKey;
  /** Undefined: the Service has no registrations any more. */
  readonly wanted: WantedGroups | undefined;
  /** Undefined for what a replay brought. */
  readonly trace?: MessageTrace | undefined;
}

interface RegistrationFeedOptions {
  readonly logger: Logger;
  readonly onBatch: (changes: readonly RegistrationChange[], watermark: Watermark) => void;
  readonly onBadMessage: () => void;
}

export class RegistrationFeed implements StreamReader {
  readonly stream = 'derived';
  readonly #options: RegistrationFeedOptions;
  readonly #pending = new Map<string, RegistrationChange>();
  readonly #known = new Map<string, { readonly key: ServiceKey; readonly contentHash: string }>();
  /** Services seen in the replay under way; undefined while following. */
  #replayed: Set<string> | undefined = new Set();
  #watermark: Watermark | undefined;

  constructor(options: RegistrationFeedOptions) {
    this.#options = options;
  }

  beginReplay(): void {
    this.#replayed = new Set();
  }

  apply(batch: LogBatch): void {
    for (const message of batch.messages) this.#applyMessage(message);
    if (!batch.isCaughtUp || this.#replayed === undefined) return;
    for (const [text, { key }] of this.#known) if (!this.#replayed.has(text)) this.#remove(key);
    this.#replayed = undefined;
    this.#give();
  }

  #applyMessage(message: LogMessage): void {
    const { subject, data } = message;
    try {
      const parsed = parseDerivedSubject(subject);
      if (parsed.layer !== 'lb') return;
      if (parsed.type === 'document') this.#hold(parsed.key, message);
      else if (data !== null) {
        this.#watermark = watermarkSchema.parse(JSON.parse(data));
        this.#give();
      }
    } catch (error) {
      this.#options.logger.warn({ err: error, subject }, 'derived message skipped');
      this.#options.onBadMessage();
    }
  }

  #hold(key: ServiceKey, message: LogMessage): void {
    const text = serviceKeyText(key);
    this.#replayed?.add(text);
    const trace = this.#replayed === undefined ? traceOf(message) : undefined;
    const derived = message.data === null ? undefined : (JSON.parse(message.data) as DerivedMessage);
    if (derived === undefined || derived.document === null) {
      this.#remove(key, trace);
      return;
    }
    if (this.#known.get(text)?.contentHash === derived.contentHash) return;
    // The subject decides whose registrations these are.
    const registrations = { ...registrationSetSchema.parse(derived.document), ...key };
    const { revision, changedAtMs, contentHash } = derived;
    this.#known.set(text, { key, contentHash });
    this.#pending.set(text, { key, wanted: { registrations, revision, changedAtMs }, trace });
  }

  #remove(key: ServiceKey, trace?: MessageTrace): void {
    const text = serviceKeyText(key);
    if (this.#known.delete(text)) this.#pending.set(text, { key, wanted: undefined, trace });
  }

  #give(): void {
    if (this.#replayed !== undefined || this.#watermark === undefined) return;
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    this.#options.onBatch(changes, this.#watermark);
  }
}
