/**
 * The DERIVED stream → the zone index.
 *
 *     replaying ──(all that the stream held has come)──► following
 *         ▲                                                 │
 *         └──(the position is too old: begin again)─────────┘
 *
 * Record sets wait until the watermark that covers them, then become visible together: what is served is always one
 * revision. A replay is an exception at its end: what came after its last watermark has replaced documents that nobody
 * can read any more, so it is shown at once rather than leaving those names out.
 *
 * A server that is slow, or was away, gets a watermark before some of the documents that it covers, where these were replaced
 * meanwhile. Such a watermark waits until the log says that nothing is missing; what is shown then may be newer than it.
 *
 * A cluster that the watermark does not list is not synced. If it was listed before, or has record sets, its zone is
 * known and unavailable; it is forgotten once it has neither.
 */
import {
  type DerivedMessage,
  parseDerivedSubject,
  type RecordSet,
  recordSetSchema,
  type ServiceKey,
  type ServiceKind,
  serviceKeyText,
  type Watermark,
  watermarkSchema,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import { type Logger, type MessageTrace, traceOf } from '@signalbox/kit';
import type { IndexedCluster, ZoneIndex } from '@signalbox/zones';

interface PendingChange {
  readonly key: ServiceKey;
  /** Undefined: the Service has no records any more. */
  readonly recordSet: RecordSet | undefined;
  /** When the oldest change that is in it was made; undefined for records that are gone. */
  readonly changedAtMs: number | undefined;
  readonly trace: MessageTrace | undefined;
}

/** A change that is served from now on. */
export type ServedChange = Pick<PendingChange, 'changedAtMs' | 'trace'> & {
  /** Undefined for records that are gone, and where they are not those of a Service's addresses. */
  readonly serviceKind: ServiceKind | undefined;
};

interface ZoneFeedOptions {
  readonly index: ZoneIndex;
  readonly logger: Logger;
  readonly onBadMessage: () => void;
  /**
   * Called when another state is served. It is exact when it is all of its revision and nothing else, as every state is
   * while following.
   */
  readonly onServed?: (state: { readonly isExact: boolean }) => void;
  /** Called with what has come since the state before; not with what a replay brought, which may be as old as the log. */
  readonly onChanges?: (changes: readonly ServedChange[], revision: number) => void;
}

export class ZoneFeed {
  readonly #options: ZoneFeedOptions;
  readonly #pending = new Map<string, PendingChange>();
  /** Cluster → domain, for all that the watermark lists or once listed. */
  readonly #domains = new Map<string, string>();
  #watermark: Watermark | undefined;
  /** Some of what it covers may not have come. */
  #waiting: Watermark | undefined;
  /** No record set has come since the watermark. */
  #isCovered = true;
  #clusters: readonly IndexedCluster[] = [];
  /** Services seen in the replay under way; undefined while following. */
  #replayed: Set<string> | undefined = new Set();

  constructor(options: ZoneFeedOptions) {
    this.#options = options;
  }

  /** The revision being served, and the clusters in it that are synced; undefined until the first replay is complete. */
  get watermark(): Watermark | undefined {
    return this.#replayed === undefined ? this.#watermark : undefined;
  }

  /** Those whose names are known, in what is served now; not all need be synced. */
  get clusters(): readonly IndexedCluster[] {
    return this.#clusters;
  }

  /** The stream comes again from its beginning; what is served stays until it has come. */
  beginReplay(): void {
    this.#replayed = new Set();
    this.#waiting = undefined;
  }

  apply({ messages, isCaughtUp }: LogBatch): void {
    for (const message of messages) this.#applyMessage(message, isCaughtUp);
    if (!isCaughtUp) return;
    if (this.#replayed !== undefined) this.#endReplay(this.#replayed);
    else if (this.#waiting !== undefined) this.#serve(this.#waiting);
  }

  #applyMessage(message: LogMessage, isWhole: boolean): void {
    try {
      const subject = parseDerivedSubject(message.subject);
      if (subject.layer !== 'dns') return;
      if (subject.type === 'document') this.#hold(subject.key, message);
      else if (message.data !== null) this.#reach(watermarkSchema.parse(JSON.parse(message.data)), isWhole);
    } catch (error) {
      this.#options.logger.warn({ err: error, subject: message.subject }, 'derived message skipped');
      this.#options.onBadMessage();
    }
  }

  #hold(key: ServiceKey, message: LogMessage): void {
    const text = serviceKeyText(key);
    const derived = message.data === null ? undefined : (JSON.parse(message.data) as DerivedMessage);
    const read = readRecordSet(derived);
    const trace = this.#replayed === undefined ? traceOf(message) : undefined;
    this.#replayed?.add(text);
    this.#isCovered = false;
    // The subject is what the log keeps one of, so it decides whose records these are.
    const recordSet = read && { ...read, ...key };
    const changedAtMs = firstOf(this.#pending.get(text)?.changedAtMs, derived?.changedAtMs);
    this.#pending.set(text, { key, recordSet, changedAtMs, trace });
  }

  #reach(watermark: Watermark, isWhole: boolean): void {
    this.#isCovered = true;
    // In a replay, what this one covers may have been replaced by what is still to come.
    if (this.#replayed !== undefined) this.#watermark = watermark;
    else if (isWhole) this.#serve(watermark);
    else this.#waiting = watermark;
  }

  #serve(watermark: Watermark): void {
    this.#waiting = undefined;
    this.#watermark = watermark;
    const changes = [...this.#pending.values()];
    this.#show(watermark);
    this.#options.onServed?.({ isExact: this.#isCovered });
    if (changes.length > 0) this.#options.onChanges?.(changes.map(servedChange), watermark.revision);
  }

  #endReplay(replayed: ReadonlySet<string>): void {
    for (const key of this.#options.index.keys()) {
      if (!replayed.has(serviceKeyText(key))) this.#options.index.remove(key);
    }
    this.#replayed = undefined;
    if (this.#watermark !== undefined) this.#serve(this.#watermark);
  }

  #show(watermark: Watermark): void {
    const { index, logger } = this.#options;
    for (const { key, recordSet } of this.#pending.values()) {
      if (recordSet === undefined) index.remove(key);
      else index.upsert(recordSet);
      const domain = recordSet === undefined ? undefined : domainOf(recordSet);
      if (domain !== undefined && !this.#domains.has(key.cluster)) this.#domains.set(key.cluster, domain);
    }
    this.#pending.clear();
    const rejectedBefore = index.rejectedClusters.join();
    this.#clusters = this.#clustersAt(watermark);
    index.setClusters(this.#clusters, watermark.revision);
    const rejected = index.rejectedClusters;
    if (rejected.length > 0 && rejected.join() !== rejectedBefore) {
      logger.warn({ clusters: rejected }, 'clusters not served: their domain is invalid or belongs to another cluster');
    }
  }

  #clustersAt(watermark: Watermark): IndexedCluster[] {
    const withRecords = new Set(this.#options.index.clusterNames());
    for (const name of this.#domains.keys()) {
      if (watermark.clusters[name] === undefined && !withRecords.has(name)) this.#domains.delete(name);
    }
    for (const [name, { domain }] of Object.entries(watermark.clusters)) this.#domains.set(name, domain);
    return [...this.#domains].map(([name, domain]) => ({
      name,
      domain,
      isSynced: watermark.clusters[name] !== undefined,
    }));
  }
}

/** A Service that changes again while it waits has waited since the first time; what is gone has no time. */
function firstOf(earlier: number | undefined, later: number | undefined): number | undefined {
  return earlier === undefined || later === undefined ? later : Math.min(earlier, later);
}

/** Undefined for a tombstone. */
function readRecordSet(message: DerivedMessage | undefined): RecordSet | undefined {
  if (message === undefined || message.document === null || message.document === undefined) return undefined;
  return recordSetSchema.parse(message.document);
}

function servedChange({ recordSet, changedAtMs, trace }: PendingChange): ServedChange {
  return { serviceKind: recordSet?.serviceKind, changedAtMs, trace };
}

/** The domain of a cluster that no watermark has listed yet, from the names that its records have. */
function domainOf({ namespace, name, records }: RecordSet): string | undefined {
  const below = `${name}.${namespace}.svc.`;
  return records.find((record) => record.name.startsWith(below))?.name.slice(below.length);
}
