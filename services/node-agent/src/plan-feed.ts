/**
 * The DERIVED stream → batches of changed plans of one cluster.
 *
 *     replaying ──(all that the stream held has come)──► following
 *         ▲                                                 │
 *         └──(the position is too old: begin again)─────────┘
 *
 * Plans wait for a watermark that lists the cluster: a batch is whole, and of one revision. While the cluster is not
 * listed, or the stream is replayed, nothing is given, and the node keeps the rules that it has. A watermark that came before
 * something which it covers (see `LogBatch`) waits for it.
 */
import {
  type DerivedMessage,
  type ProxyPlan,
  parseDerivedSubject,
  proxyPlanSchema,
  type ServiceKey,
  serviceKeyText,
  watermarkSchema,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import { type Logger, type MessageTrace, type StreamReader, traceOf } from '@signalbox/kit';
import type { PlanChange } from '@signalbox/rules';

export interface TimedPlanChange extends PlanChange {
  /** When the oldest change that is in it was made, epoch milliseconds; undefined for a plan that is gone. */
  readonly changedAtMs: number | undefined;
  /** Undefined for what a replay brought. */
  readonly trace?: MessageTrace | undefined;
}

/** Two changes of one service as one: it has waited since the first. What is gone has no time, as in kube-proxy. */
export function joinChanges(earlier: TimedPlanChange | undefined, later: TimedPlanChange): TimedPlanChange {
  if (earlier?.changedAtMs === undefined || later.changedAtMs === undefined) return later;
  return { ...later, changedAtMs: Math.min(earlier.changedAtMs, later.changedAtMs) };
}

export interface PlanBatch {
  /** None when only the revision rose. */
  readonly changes: readonly TimedPlanChange[];
  /** Of the watermark: with these changes everything up to it is known. */
  readonly revision: number;
}

interface PlanFeedOptions {
  readonly cluster: string;
  readonly logger: Logger;
  readonly onBatch: (batch: PlanBatch) => void;
  readonly onBadMessage: () => void;
}

export class PlanFeed implements StreamReader {
  readonly stream = 'derived';
  readonly #options: PlanFeedOptions;
  /** Not yet given, by service. */
  readonly #pending = new Map<string, TimedPlanChange>();
  /** Content hash of each plan that was received, by service: a replay brings mostly what is known. */
  readonly #known = new Map<string, { readonly key: ServiceKey; readonly contentHash: string }>();
  /** Services seen in the replay under way; undefined while following. */
  #replayed: Set<string> | undefined = new Set();
  #revision: number | undefined;
  /** Some of what the watermark covers may not have come. */
  #isWaiting = false;

  constructor(options: PlanFeedOptions) {
    this.#options = options;
  }

  /** The newest watermark lists the cluster, and all that it covers has been given. */
  get isSynced(): boolean {
    return this.#replayed === undefined && this.#revision !== undefined && !this.#isWaiting;
  }

  beginReplay(): void {
    this.#replayed = new Set();
  }

  apply({ messages, isCaughtUp }: LogBatch): void {
    for (const message of messages) this.#applyMessage(message, isCaughtUp);
    if (!isCaughtUp) return;
    if (this.#replayed !== undefined) this.#endReplay(this.#replayed);
    else if (this.#isWaiting) this.#give();
  }

  #applyMessage(message: LogMessage, isWhole: boolean): void {
    try {
      const subject = parseDerivedSubject(message.subject);
      if (subject.layer !== 'proxy') return;
      if (subject.type === 'watermark') this.#reach(message.data, isWhole);
      else if (subject.key.cluster === this.#options.cluster) this.#hold(subject.key, message);
    } catch (error) {
      this.#options.logger.warn({ err: error, subject: message.subject }, 'derived message skipped');
      this.#options.onBadMessage();
    }
  }

  #hold(key: ServiceKey, message: LogMessage): void {
    const text = serviceKeyText(key);
    this.#replayed?.add(text);
    const trace = this.#replayed === undefined ? traceOf(message) : undefined;
    const derived = message.data === null ? undefined : (JSON.parse(message.data) as DerivedMessage);
    const plan = readPlan(derived, key);
    if (derived === undefined || plan === undefined) {
      this.#remove(key, trace);
      return;
    }
    if (this.#known.get(text)?.contentHash === derived.contentHash) return;
    this.#known.set(text, { key, contentHash: derived.contentHash });
    const change = { key, plan, changedAtMs: derived.changedAtMs, trace };
    this.#pending.set(text, joinChanges(this.#pending.get(text), change));
  }

  #remove(key: ServiceKey, trace?: MessageTrace): void {
    const text = serviceKeyText(key);
    if (!this.#known.delete(text)) return;
    this.#pending.set(text, { key, plan: undefined, changedAtMs: undefined, trace });
  }

  #reach(data: string | null, isWhole: boolean): void {
    const watermark = data === null ? undefined : watermarkSchema.parse(JSON.parse(data));
    const isListed = watermark !== undefined && Object.hasOwn(watermark.clusters, this.#options.cluster);
    this.#revision = isListed ? watermark.revision : undefined;
    this.#isWaiting = !isWhole;
    if (isWhole) this.#give();
  }

  /**
   * Plans that came after the last watermark of the replay are given with it: they have replaced older ones that nobody
   * can read any more, and leaving those services out would be worse.
   */
  #endReplay(replayed: ReadonlySet<string>): void {
    for (const [text, { key }] of this.#known) if (!replayed.has(text)) this.#remove(key);
    this.#replayed = undefined;
    this.#give();
  }

  #give(): void {
    this.#isWaiting = false;
    if (!this.isSynced || this.#revision === undefined) return;
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    this.#options.onBatch({ changes, revision: this.#revision });
  }
}

/** Undefined for a tombstone, and for a service of which nothing was left. The subject decides whose plan it is. */
function readPlan(message: DerivedMessage | undefined, key: ServiceKey): ProxyPlan | undefined {
  if (message === undefined || message.document === null || message.document === undefined) return undefined;
  return { ...proxyPlanSchema.parse(message.document), ...key };
}
