/**
 * Writes one cluster into the event log: only what differs from what the log holds, deletions included.
 *
 * The publisher knows the log's content by hash. It reads it back once at start; from then on it is the only writer of
 * this cluster's subjects. Restarting with an unchanged cluster therefore appends nothing, and revisions go on.
 */
import { createHash } from 'node:crypto';
import {
  type ClusterObject,
  type LogObject,
  type ObjectKey,
  type ObjectMessage,
  OPTIONAL_KINDS,
  objectSubject,
  objectsOfCluster,
  parseObjectSubject,
  SignalboxError,
  SOURCE_KINDS,
  type SourceKind,
  type SourceState,
  type SourceStatus,
} from '@signalbox/contracts';
import type { AppendEntry, LogMessage } from '@signalbox/event-log';
import { failureSignal, type ServiceContext, SoleWriter } from '@signalbox/kit';
import type { Source, SourceChange, SourceObject, SourceSink } from '@signalbox/kube';
import { WatchMetrics } from './watch-metrics.ts';

/** What the log holds of one object. Its subject is kept because a slice's changes when it moves to another Service. */
interface Published {
  readonly kind: string;
  readonly subject: string;
  readonly contentHash: string;
}

type Planned = AppendEntry & {
  readonly id: string;
  readonly published: Published | undefined;
  readonly changedAtMs?: number;
};

/** Entries in one append: enough to be fast, small enough that others get their turn. */
const APPEND_CHUNK = 1000;
/** A kind in one of these states will not give a list soon: the cluster is declared synced without it. */
const SETTLED_WITHOUT_LIST: readonly SourceState[] = ['unauthorized', 'forbidden', 'missing', 'failed'];

type WatchedSource = Pick<Source, 'cluster' | 'domain' | 'type' | 'kinds'>;
interface ClusterPublisherOptions {
  readonly onStatus: (status: SourceStatus) => void;
  /** Goes with each object as its header `writer`. */
  readonly writer?: string;
}

export class ClusterPublisher implements SourceSink {
  readonly #context: ServiceContext;
  readonly #source: WatchedSource;
  readonly #kinds: readonly SourceKind[];
  readonly #onStatus: (status: SourceStatus) => void;
  readonly #writer: string | undefined;
  readonly #objects: SoleWriter;
  readonly #metrics: WatchMetrics;
  /** Rejects when somebody else wrote objects of this cluster. */
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #published = new Map<string, Published>();
  readonly #statuses = new Map<SourceKind, SourceStatus>();
  readonly #listed = new Set<SourceKind>();
  readonly #stopping = new AbortController();
  #syncedBefore: readonly SourceKind[] = [];
  #clusterTurn: Promise<void> = Promise.resolve();
  #trouble = '';

  constructor(context: ServiceContext, source: WatchedSource, { onStatus, writer }: ClusterPublisherOptions) {
    this.#context = context;
    this.#source = source;
    this.#kinds = source.kinds ?? SOURCE_KINDS;
    this.#onStatus = onStatus;
    this.#writer = writer;
    this.#metrics = new WatchMetrics(context.registry, source.cluster);
    this.#metrics.setActive(true);
    const isOwn = ({ headers }: LogMessage): boolean => headers?.writer === writer;
    this.#objects = new SoleWriter({ log: context.log, stream: 'objects', unknown: 'absent', isOwn });
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  /** True when every kind was listed, or is known not to be listable. */
  get isSettled(): boolean {
    return this.#kinds.every((kind) => this.#listed.has(kind) || this.#isRefused(kind));
  }

  /** Why the log takes nothing now, and so holds less than is known; empty while it does. */
  get trouble(): string {
    return this.#trouble;
  }

  /** Reads what the log holds of this cluster. Call before the source starts; again only after it has failed. */
  async load(): Promise<void> {
    const filter = objectsOfCluster(this.#source.cluster);
    const options = { from: 'snapshot', filter, signal: this.#stopping.signal } as const;
    this.#published.clear();
    for await (const batch of this.#context.log.follow('objects', options)) {
      for (const message of batch.messages) this.#loadMessage(message);
      if (!batch.isCaughtUp) continue;
      if (this.#writer !== undefined) this.#watchOthers(filter, batch.sequence).catch(this.#fail);
      break;
    }
    await this.#append(this.#noLongerRead().map(([id, entry]) => tombstone(id, entry)));
  }

  /**
   * A watcher that was paused may have sent its last changes just before it lost its turn. They are what was true then:
   * whoever has the turn begins anew, compares the log with the cluster, and puts right what differs.
   */
  async #watchOthers(filter: string, from: number): Promise<void> {
    const { signal } = this.#stopping;
    for await (const batch of this.#context.log.follow('objects', { from, filter, signal })) {
      const foreign = batch.messages.find(({ headers }) => headers?.writer !== this.#writer);
      if (foreign === undefined) continue;
      throw new SignalboxError('conflict', `${foreign.subject} was written by another watcher: beginning anew`);
    }
  }

  /** Of a kind that an earlier run was asked to read: nobody would keep it true. */
  #noLongerRead(): [string, Published][] {
    const unread = OPTIONAL_KINDS.filter((kind) => !this.#kinds.includes(kind));
    return [...this.#published].filter(([, { kind }]) => unread.some((one) => one === kind));
  }

  async replace(kind: SourceKind, objects: readonly SourceObject[]): Promise<void> {
    const wanted = new Set(objects.map((item) => idOf(item.object.kind, item.object.metadata)));
    const gone = [...this.#published.entries()].filter(([id, entry]) => entry.kind === kind && !wanted.has(id));
    // Removals first: an endpoint that must not get traffic any more is more urgent than a new one.
    await this.#append(gone.map(([id, entry]) => tombstone(id, entry)));
    // In chunks, so that a large list is not held as text as a whole.
    for (let start = 0; start < objects.length; start += APPEND_CHUNK) {
      await this.#append(objects.slice(start, start + APPEND_CHUNK).flatMap((item) => this.#planUpsert(item)));
    }
    this.#listed.add(kind);
    await this.#publishCluster();
  }

  async apply(changes: readonly SourceChange[]): Promise<void> {
    // A change later in the same call is planned against the ones before it, so each object's last one decides.
    const last = new Map(changes.map((change) => [changeId(change), change]));
    const planned = [...last.entries()].flatMap(([id, change]) =>
      change.type === 'upsert' ? this.#planUpsert(change) : this.#planDelete(id),
    );
    await this.#append(planned);
    for (const { subject, changedAtMs } of planned) {
      if (changedAtMs === undefined) continue;
      this.#metrics.observeDelay(parseObjectSubject(subject).kind, Date.now() - changedAtMs);
    }
  }

  report(status: SourceStatus): void {
    this.#metrics.note(status, this.#statuses.get(status.kind));
    this.#statuses.set(status.kind, status);
    this.#onStatus(status);
    if (this.#isRefused(status.kind)) this.#publishClusterLater();
  }

  stop(): void {
    this.#stopping.abort();
  }

  #isRefused(kind: SourceKind): boolean {
    const state = this.#statuses.get(kind)?.state;
    return state !== undefined && SETTLED_WITHOUT_LIST.includes(state);
  }

  #loadMessage(message: LogMessage): void {
    this.#objects.note(message);
    const key = parseObjectSubject(message.subject);
    const id = idOf(key.kind, key);
    if (message.data === null) {
      // A slice that has moved is still there, by its other subject.
      if (this.#published.get(id)?.subject === message.subject) this.#published.delete(id);
      return;
    }
    const { object } = JSON.parse(message.data) as ObjectMessage;
    if (object.kind === 'Cluster') this.#syncedBefore = object.syncedKinds;
    const entry = { kind: key.kind, subject: message.subject, contentHash: hashOf(JSON.stringify(object)) };
    this.#published.set(id, entry);
  }

  #planUpsert(item: { object: LogObject; resourceVersion: string; changedAtMs: number }): Planned[] {
    const { object, resourceVersion, changedAtMs } = item;
    const id = idOf(object.kind, object.metadata);
    const before = this.#published.get(id);
    const text = JSON.stringify(object);
    const contentHash = hashOf(text);
    if (before?.contentHash === contentHash) return [];
    const subject = objectSubject(this.#source.cluster, object);
    const header: Omit<ObjectMessage, 'object'> = { cluster: this.#source.cluster, resourceVersion, changedAtMs };
    const published = { kind: object.kind, subject, contentHash };
    // The object is serialised once, for the hash and for the message.
    const upsert = {
      id,
      published,
      subject,
      changedAtMs,
      data: `${JSON.stringify(header).slice(0, -1)},"object":${text}}`,
    };
    if (before === undefined || before.subject === subject) return [upsert];
    return [{ ...upsert, id, published, subject: before.subject, data: null }, upsert];
  }

  #planDelete(id: string): Planned[] {
    const before = this.#published.get(id);
    return before === undefined ? [] : [tombstone(id, before)];
  }

  async #append(planned: readonly Planned[]): Promise<void> {
    for (let start = 0; start < planned.length; start += APPEND_CHUNK) {
      const chunk = planned.slice(start, start + APPEND_CHUNK);
      const entries = chunk.map((planned) => this.#traced(planned));
      await this.#objects.appendRetrying(entries, {
        signal: this.#stopping.signal,
        onFailure: (err, text) => {
          this.#trouble = text;
          this.#context.logger.warn({ err, cluster: this.#source.cluster }, 'cannot write to the log');
        },
      });
      this.#trouble = '';
      for (const { id, subject, published } of chunk) {
        this.#metrics.published(parseObjectSubject(subject).kind);
        if (published === undefined) this.#published.delete(id);
        else this.#published.set(id, published);
      }
    }
  }

  /** A change begins its trace here, at the time that the cluster says it happened. */
  #traced({ subject, data, changedAtMs }: Planned): AppendEntry {
    const endMs = Date.now();
    const info = {
      name: 'observe',
      startMs: changedAtMs ?? endMs,
      endMs,
      attributes: { 'signalbox.subject': subject },
    };
    const traceparent = this.#context.tracer?.root(undefined, info);
    const writer = this.#writer;
    const headers = { ...(traceparent !== undefined && { traceparent }), ...(writer !== undefined && { writer }) };
    return { subject, data, ...(Object.keys(headers).length > 0 && { headers }) };
  }

  #publishClusterLater(): void {
    this.#publishCluster().catch((err: unknown) => {
      if (!this.#stopping.signal.aborted) this.#context.logger.error({ err }, 'cannot write the cluster object');
    });
  }

  /** Declares the cluster synced, once it is; kinds that an earlier run listed stay: the log still holds their truth. */
  #publishCluster(): Promise<void> {
    const turn = this.#clusterTurn.then(async () => {
      const kinds = this.#kinds.filter((kind) => this.#listed.has(kind) || this.#syncedBefore.includes(kind));
      if (!this.isSettled || kinds.length === 0) return;
      const object: ClusterObject = {
        kind: 'Cluster',
        metadata: { name: this.#source.cluster },
        domain: this.#source.domain,
        source: this.#source.type,
        syncedKinds: kinds,
      };
      await this.#append(this.#planUpsert({ object, resourceVersion: '', changedAtMs: Date.now() }));
    });
    this.#clusterTurn = turn.catch(() => {});
    return turn;
  }
}

function idOf(kind: ObjectKey['kind'], metadata: { name: string; namespace?: string }): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}

function changeId(change: SourceChange): string {
  return change.type === 'upsert' ? idOf(change.object.kind, change.object.metadata) : idOf(change.kind, change);
}

function hashOf(text: string): string {
  return createHash('sha1').update(text).digest('base64url');
}

function tombstone(id: string, entry: Published): Planned {
  return { id, published: undefined, subject: entry.subject, data: null };
}
