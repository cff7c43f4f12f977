/** The watcher: reads any number of clusters and keeps the event log equal to them. */
import { errorText, SOURCE_KINDS, type SourceStatus, sourceStatusSubject } from '@signalbox/contracts';
import {
  failureSignal,
  patiently,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
  SoleWriter,
  startCompaction,
} from '@signalbox/kit';
import type { Source } from '@signalbox/kube';
import { ClusterPublisher } from './cluster-publisher.ts';
import { clustersInLog, forgetCluster } from './forget-clusters.ts';
import { refuseRepeated } from './refuse-repeated.ts';

/** What it writes itself, and the leases: each life of each replica leaves tombstones there, and none of them stays. */
const COMPACTED = ['objects', 'status', 'leases'] as const;

export interface ApiWatcherOptions {
  readonly sources: readonly Source[];
  /** Clusters to delete from the log. */
  readonly forget?: readonly string[];
  /** Other clusters that are read by this process. */
  readonly siblings?: readonly string[];
  /** Told with each object, where several watchers take turns: then objects written by anybody else end this one. */
  readonly writer?: string;
  /** Also told of each status, for a live display. */
  readonly onStatus?: (status: SourceStatus) => void;
}

/** Throws `invalid` when two sources have one name or one DNS domain. */
export async function startApiWatcher(context: ServiceContext, options: ApiWatcherOptions): Promise<RunningService> {
  refuseRepeated(options.sources);
  const watcher = new ApiWatcher(context, options);
  try {
    await watcher.start();
    return watcher;
  } catch (error) {
    // Some sources may be watching already.
    await watcher.stop();
    throw error;
  }
}

class ApiWatcher implements RunningService {
  readonly name = 'api-watcher';
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #options: ApiWatcherOptions;
  readonly #publishers = new Map<Source, ClusterPublisher>();
  readonly #statuses: SoleWriter;
  readonly #stopping = new AbortController();
  /** Statuses not yet in the log: the newest per subject, so that a log that is away costs no memory. */
  readonly #pendingStatuses = new Map<string, SourceStatus>();
  #flushing: Promise<void> | undefined;
  #stopCompactions: (() => void)[] = [];

  constructor(context: ServiceContext, options: ApiWatcherOptions) {
    this.#context = context;
    this.#options = options;
    this.#statuses = new SoleWriter({ log: context.log, stream: 'status', unknown: 'ask' });
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  async start(): Promise<void> {
    await this.#forgetClusters();
    for (const source of this.#options.sources) {
      const { writer } = this.#options;
      const onStatus = (status: SourceStatus): void => this.#keepStatus(status);
      const publisher = new ClusterPublisher(this.#context, source, { onStatus, ...(writer && { writer }) });
      publisher.failure.catch(this.#fail);
      this.#publishers.set(source, publisher);
      await patiently(() => publisher.load(), { signal: this.#stopping.signal });
    }
    await Promise.all([...this.#publishers].map(([source, publisher]) => source.start(publisher)));
    const { log, logger } = this.#context;
    this.#stopCompactions = COMPACTED.map((stream) => startCompaction(log, stream, logger));
  }

  async #forgetClusters(): Promise<void> {
    const { log, logger } = this.#context;
    for (const cluster of this.#options.forget ?? []) {
      const objects = await patiently(() => forgetCluster(log, cluster));
      logger.info({ cluster, objects }, 'cluster forgotten');
    }
    const own = new Set([...this.#options.sources.map(({ cluster }) => cluster), ...(this.#options.siblings ?? [])]);
    const others = (await clustersInLog(log)).filter((cluster) => !own.has(cluster));
    if (others.length > 0) {
      logger.warn({ clusters: others }, 'the log holds clusters not read here: served as last seen, or see --forget');
    }
  }

  readiness(): Readiness {
    for (const [{ cluster }, { trouble }] of this.#publishers) {
      if (trouble !== '')
        return { isReady: false, reason: `api-watcher: cannot write ${cluster} to the log: ${trouble}` };
    }
    const waiting = [...this.#publishers]
      .filter(([, publisher]) => !publisher.isSettled)
      .map(([{ cluster }]) => cluster);
    if (waiting.length === 0) return READY;
    return { isReady: false, reason: `api-watcher: ${SOURCE_KINDS.length} kinds to list of ${waiting.join(', ')}` };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const stop of this.#stopCompactions) stop();
    for (const publisher of this.#publishers.values()) publisher.stop();
    await Promise.all([...this.#publishers.keys()].map((source) => source.stop()));
    await this.#flushing;
  }

  #keepStatus(status: SourceStatus): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.onStatus?.(status);
    this.#pendingStatuses.set(sourceStatusSubject(status.cluster, status.kind), status);
    this.#flushing ??= this.#flushStatuses();
  }

  async #flushStatuses(): Promise<void> {
    while (this.#pendingStatuses.size > 0 && !this.#stopping.signal.aborted) {
      const entries = [...this.#pendingStatuses].map(([subject, status]) => ({
        subject,
        data: JSON.stringify(status),
      }));
      this.#pendingStatuses.clear();
      try {
        await this.#statuses.appendRetrying(entries, {
          signal: this.#stopping.signal,
          onFailure: (err) => this.#context.logger.warn({ err }, 'cannot write source status'),
        });
      } catch (err) {
        if (!this.#stopping.signal.aborted) this.#context.logger.error({ err, reason: errorText(err) }, 'status lost');
      }
    }
    // In the same turn as the last look: a status that comes after it starts a new flush.
    this.#flushing = undefined;
  }
}
