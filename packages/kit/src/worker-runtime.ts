/**
 * Runs workers on the event log.
 *
 *     restoring ──► replaying ──► following ──► stopped
 *     (own outputs)  (last per     (micro-batches:      a failure to publish is retried with back-off,
 *                     subject)      join, derive, publish,   the batch is not left before it succeeded
 *                                   watermark)
 *
 * Several workers of one process share the replay and the join. What arrives while a batch is being published is one
 * batch afterwards: under load, changes of one service coalesce by themselves; without load nothing waits for a timer.
 * A watermark is appended after the documents it covers, in the same append.
 */
import { type DerivedMessage, errorText, type Layer, parseDerivedSubject, type ServiceKey } from '@signalbox/contracts';
import type { AppendEntry, LogBatch, LogMessage } from '@signalbox/event-log';
import { startCompaction } from './compaction.ts';
import { deriveInChunks } from './derive-in-chunks.ts';
import { followObjects } from './follow-objects.ts';
import type { PublishedDocument } from './layer-outputs.ts';
import type { Logger } from './logger.ts';
import { ReachedRevision } from './reached-revision.ts';
import { failureSignal, READY, type Readiness, type RunningService, type ServiceContext } from './service.ts';
import { ServiceIndex } from './service-index.ts';
import { SoleWriter } from './sole-writer.ts';
import { Turns } from './turns.ts';
import type { WorkerDefinition } from './worker.ts';
import { WorkerLane } from './worker-lane.ts';
import { type WorkerMetrics, workerMetrics } from './worker-metrics.ts';

export interface WorkerOptions {
  /** How often everything is derived again and compared with the log, to heal what was missed. Default 10 minutes. */
  readonly fullCheckIntervalMs?: number;
}

export interface RunningWorkers extends RunningService {
  /** Revision up to which all workers have derived and published. */
  readonly revision: number;
  /** Resolves when all that the log holds now is derived and published. */
  processAll(): Promise<void>;
}

const DEFAULT_FULL_CHECK_INTERVAL_MS = 600_000;

export async function startWorkers(
  context: ServiceContext,
  workers: readonly WorkerDefinition[],
  options: WorkerOptions = {},
): Promise<RunningWorkers> {
  const runtime = new WorkerRuntime(context, workers);
  await runtime.restore();
  runtime.run(options.fullCheckIntervalMs ?? DEFAULT_FULL_CHECK_INTERVAL_MS);
  return runtime;
}

class WorkerRuntime implements RunningWorkers {
  readonly name: string;
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #logger: Logger;
  readonly #metrics: WorkerMetrics;
  readonly #index = new ServiceIndex();
  readonly #lanes: readonly WorkerLane[];
  readonly #stopping = new AbortController();
  readonly #reached = new ReachedRevision();
  readonly #writer: SoleWriter;
  /** Batches and full checks: both change what is published. */
  readonly #turns = new Turns();
  #loop: Promise<void> = Promise.resolve();
  #fullCheck: NodeJS.Timeout | undefined;
  #stopCompaction: (() => void) | undefined;
  #trouble = '';

  constructor(context: ServiceContext, workers: readonly WorkerDefinition[]) {
    this.name = workers.map((worker) => worker.name).join('+');
    this.#context = context;
    this.#logger = context.logger;
    this.#metrics = workerMetrics(context.registry);
    this.#lanes = workers.map((worker) => new WorkerLane(worker, this.#index, context));
    this.#writer = new SoleWriter({ log: context.log, stream: 'derived', unknown: 'absent' });
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  get revision(): number {
    return this.#reached.revision;
  }

  readiness(): Readiness {
    if (this.#trouble !== '') return { isReady: false, reason: this.#trouble };
    if (!this.#reached.isCaughtUp) return { isReady: false, reason: `${this.name}: replaying the event log` };
    return READY;
  }

  /** Reads back what these workers have published before, so that only differences are published from here on. */
  async restore(): Promise<void> {
    const found = new Map<Layer, PublishedDocument[]>();
    for await (const batch of this.#context.log.follow('derived', {
      from: 'snapshot',
      signal: this.#stopping.signal,
    })) {
      for (const message of batch.messages) this.#restoreMessage(message, found);
      if (batch.isCaughtUp) break;
    }
    for (const lane of this.#lanes) lane.outputs.restore(found.get(lane.worker.layer) ?? []);
  }

  run(fullCheckIntervalMs: number): void {
    this.#fullCheck = setInterval(() => {
      this.#turns.take(() => this.#checkAll()).catch((err: unknown) => this.#logger.warn({ err }, 'full check failed'));
    }, fullCheckIntervalMs);
    this.#fullCheck.unref();
    this.#stopCompaction = startCompaction(this.#context.log, 'derived', this.#logger);
    this.#loop = this.#follow().catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      this.#trouble = `${this.name}: ${errorText(error)}`;
      this.#fail(error);
    });
  }

  async processAll(): Promise<void> {
    const ended = this.#loop.then(() => true);
    for (let isDone = false; !isDone; ) {
      const { lastSequence } = await this.#context.log.info('objects');
      isDone = await Promise.race([this.#reached.wait(lastSequence), this.failure, ended]);
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#fullCheck);
    this.#stopCompaction?.();
    this.#stopping.abort();
    await this.#loop;
  }

  #follow(): Promise<void> {
    const reader = {
      index: this.#index,
      onBatch: (batch: LogBatch) => this.#turns.take(() => this.#process(batch)),
      onStartOver: () => this.#turns.take(() => this.#startOver()),
      onBadMessage: () => {
        for (const lane of this.#lanes) this.#metrics.badMessages.inc({ worker: lane.worker.name });
      },
    };
    return followObjects(this.#context, reader, this.#stopping.signal);
  }

  async #startOver(): Promise<void> {
    this.#reached.startOver();
    this.#index.clear();
    await this.restore();
  }

  async #process(batch: LogBatch): Promise<void> {
    const dirty = this.#index.takeDirty();
    const isReplay = !this.#reached.isCaughtUp;
    await this.#derive((lane) => (isReplay ? lane.everything() : lane.affected(dirty)), batch.sequence);
    this.#reached.reach(batch.sequence);
  }

  /** Compares all that should be published with what the log really holds. Equal content publishes nothing. */
  async #checkAll(): Promise<void> {
    if (!this.#reached.isCaughtUp) return;
    await this.restore();
    await this.#derive((lane) => lane.everything(), this.#reached.revision);
  }

  async #derive(keysOf: (lane: WorkerLane) => Map<string, ServiceKey>, revision: number): Promise<void> {
    for await (const entries of deriveInChunks(this.#derivations(keysOf, revision))) await this.#publish(entries);
  }

  /** Watermarks come last: they cover everything before them. */
  *#derivations(
    keysOf: (lane: WorkerLane) => Map<string, ServiceKey>,
    revision: number,
  ): Generator<AppendEntry | undefined> {
    for (const lane of this.#lanes) for (const key of keysOf(lane).values()) yield lane.derive(key);
    for (const lane of this.#lanes) yield lane.watermark(revision);
  }

  async #publish(entries: readonly AppendEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.#writer.appendRetrying(entries, {
      signal: this.#stopping.signal,
      onFailure: (err, text) => {
        this.#trouble = `${this.name}: cannot publish: ${text}`;
        this.#logger.warn({ err }, 'publishing failed, trying again');
      },
    });
    this.#trouble = '';
  }

  #restoreMessage(message: LogMessage, found: Map<Layer, PublishedDocument[]>): void {
    this.#writer.note(message);
    if (message.data === null) return;
    const subject = parseDerivedSubject(message.subject);
    if (subject.type === 'watermark') {
      for (const lane of this.#lanes) {
        if (lane.worker.layer === subject.layer) lane.restoreWatermark(message.data);
      }
      return;
    }
    if (!this.#lanes.some((lane) => lane.worker.layer === subject.layer)) return;
    const { contentHash, revision } = JSON.parse(message.data) as DerivedMessage;
    const entries = found.get(subject.layer) ?? [];
    if (entries.length === 0) found.set(subject.layer, entries);
    entries.push({ key: subject.key, contentHash, revision });
  }
}
