/**
 * The TARGETS stream → the target groups of one class, as they are now.
 *
 *     replaying ──(all that the stream held has come)──► current
 *         ▲                                                │
 *         └──(the position is too old: begin again)────────┘
 *
 * While the stream is replayed nothing is withdrawn: a load balancer keeps what it has until the whole is known.
 */
import {
  parseTargetsSubject,
  type ServiceKey,
  serviceKeyText,
  type TargetGroup,
  type TargetGroupKey,
  type TargetGroupSet,
  targetGroupSetSchema,
  targetsWatermarkSchema,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import type { StreamReader } from '../follow-stream.ts';
import type { Logger } from '../logger.ts';
import { type MessageTrace, traceOf } from '../message-trace.ts';

/** The target groups of one Service, and the index that drivers report. */
export interface IndexedSet {
  readonly key: ServiceKey;
  readonly index: number;
  readonly set: TargetGroupSet;
  /** Of the change that it is the newest of; undefined for what a replay brought. */
  readonly trace?: MessageTrace | undefined;
}

interface TargetFeedOptions {
  readonly loadBalancerClass: string;
  readonly logger: Logger;
  /** After a batch that changed something, and when the replay has ended. Services by `cluster/namespace/name`. */
  readonly onChange: (services: ReadonlySet<string>) => void;
  readonly onBadMessage: () => void;
}

export class TargetFeed implements StreamReader {
  readonly stream = 'targets';
  readonly #options: TargetFeedOptions;
  readonly #sets = new Map<string, IndexedSet>();
  /** Services seen in the replay under way; undefined while current. */
  #replayed: Set<string> | undefined = new Set();
  #wasCurrent = false;
  #revision = 0;
  #sequence = 0;

  constructor(options: TargetFeedOptions) {
    this.#options = options;
  }

  /** By `cluster/namespace/name`. */
  get sets(): ReadonlyMap<string, IndexedSet> {
    return this.#sets;
  }

  /** All registrations up to here are decided in `sets`. */
  get revision(): number {
    return this.#revision;
  }

  /** All that the stream held up to here is in `sets`. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The stream was read to its end once. A later replay only adds and replaces until it has ended. */
  get isCurrent(): boolean {
    return this.#wasCurrent;
  }

  beginReplay(): void {
    this.#replayed = new Set();
  }

  apply(batch: LogBatch): void {
    const changed = new Set<string>();
    const revision = this.#revision;
    for (const message of batch.messages) this.#applyMessage(message, changed);
    this.#sequence = batch.sequence;
    const endsReplay = batch.isCaughtUp && this.#replayed !== undefined;
    if (endsReplay) this.#endReplay(changed);
    if (changed.size > 0 || endsReplay || this.#revision !== revision) this.#options.onChange(changed);
  }

  #applyMessage(message: LogMessage, changed: Set<string>): void {
    try {
      const key = parseTargetsSubject(message.subject);
      if (key === undefined) this.#reach(message.data);
      else if (key.loadBalancerClass === this.#options.loadBalancerClass) this.#hold(key, message, changed);
    } catch (error) {
      this.#options.logger.warn({ err: error, subject: message.subject }, 'target groups skipped');
      this.#options.onBadMessage();
    }
  }

  #reach(data: string | null): void {
    if (data !== null) this.#revision = targetsWatermarkSchema.parse(JSON.parse(data)).revision;
  }

  #hold({ cluster, namespace, name }: ServiceKey, message: LogMessage, changed: Set<string>): void {
    const { data, sequence } = message;
    const key = { cluster, namespace, name };
    const text = serviceKeyText(key);
    this.#replayed?.add(text);
    if (data === null) {
      if (this.#sets.delete(text)) changed.add(text);
      return;
    }
    if (this.#sets.get(text)?.index === sequence) return;
    // The subject decides whose groups these are.
    const set = { ...targetGroupSetSchema.parse(JSON.parse(data)), ...key };
    const trace = this.#replayed === undefined ? traceOf(message) : undefined;
    this.#sets.set(text, { key, index: sequence, set, trace });
    changed.add(text);
  }

  #endReplay(changed: Set<string>): void {
    for (const text of this.#sets.keys()) {
      if (this.#replayed?.has(text)) continue;
      this.#sets.delete(text);
      changed.add(text);
    }
    this.#replayed = undefined;
    this.#wasCurrent = true;
  }
}

/** Of one group of a set. Its port names it within the Service. */
export function groupKey(key: ServiceKey, group: TargetGroup): TargetGroupKey {
  return { ...key, loadBalancerClass: group.loadBalancerClass, port: `${group.port}/${group.protocol}` };
}
