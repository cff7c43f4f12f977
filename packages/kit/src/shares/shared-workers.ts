/**
 * One replica of a worker that shares its layer with others.
 *
 *     each partition:   another's ──given──► waiting (this replica reads on to where the last owner may have been)
 *                           ▲                   │ read back, fenced if the last owner was lost, derived whole
 *                           └── handed over ── active (each batch of objects derives what it touches)
 *
 * Every replica follows all objects and keeps the whole join, so that taking over costs no replay; only deriving and
 * publishing are shared. Batches, take-overs and hand-overs take turns: while a partition is handed over, nothing of it
 * is on its way. A replica that has lost its lease forgets its partitions and begins a new life (membership.ts); what may
 * still be on its way from the old one is fenced off (fenced-publisher.ts). The member that leads publishes the watermark,
 * the least of all partitions (layer-progress.ts).
 */
import { errorText, layerGroup, PARTITIONS, progressSubject } from '@signalbox/contracts';
import type { LogBatch } from '@signalbox/event-log';
import { followObjects } from '../follow-objects.ts';
import type { Logger } from '../logger.ts';
import { ReachedRevision } from '../reached-revision.ts';
import { failureSignal, type Readiness, type ServiceContext } from '../service.ts';
import { ServiceIndex } from '../service-index.ts';
import { Turns } from '../turns.ts';
import type { WorkerDefinition } from '../worker.ts';
import { WorkerLane } from '../worker-lane.ts';
import { workerMetrics } from '../worker-metrics.ts';
import type { RunningWorkers } from '../worker-runtime.ts';
import { clean, LEAD, release, type Slot } from './group-state.ts';
import { HeldPartitions } from './held-partitions.ts';
import { LayerProgress } from './layer-progress.ts';
import { Lives } from './lives.ts';
import { Membership } from './membership.ts';
import { Settling } from './settling.ts';

export interface SharedWorkerOptions {
  /** A replica that is silent for longer loses its partitions. */
  readonly leaseMs: number;
  readonly fullCheckIntervalMs?: number;
}

const RETRY_MS = 500;
const DEFAULT_FULL_CHECK_INTERVAL_MS = 600_000;

export async function startSharedWorker(
  context: ServiceContext,
  worker: WorkerDefinition,
  options: SharedWorkerOptions,
): Promise<RunningWorkers> {
  const shared = new SharedWorker(context, worker, options);
  shared.run();
  return shared;
}

class SharedWorker implements RunningWorkers {
  readonly name: string;
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #logger: Logger;
  readonly #options: SharedWorkerOptions;
  readonly #index = new ServiceIndex();
  readonly #lane: WorkerLane;
  readonly #held: HeldPartitions;
  readonly #lives: Lives;
  readonly #settling: Settling;
  readonly #progress = new LayerProgress(PARTITIONS);
  readonly #stopping = new AbortController();
  readonly #reached = new ReachedRevision();
  readonly #turns = new Turns();
  #loops: Promise<unknown> = Promise.resolve();
  #trouble = '';
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(context: ServiceContext, worker: WorkerDefinition, options: SharedWorkerOptions) {
    const { logger } = context;
    this.name = worker.name;
    this.#context = context;
    this.#logger = logger;
    this.#options = options;
    this.#lane = new WorkerLane(worker, this.#index, context);
    this.#held = new HeldPartitions(context, {
      lane: this.#lane,
      isValid: () => this.#lives.isValid,
      onRefused: (err, names) => this.#onRefused(err, names),
    });
    this.#lives = new Lives({
      logger,
      newLife: () => this.#newMembership(),
      onJoined: () => this.#settling.ask(),
      onOver: () => this.#turns.take(async () => this.#held.forgetAll()),
    });
    this.#settling = new Settling({ work: () => this.#settle(), shouldRetry: (err) => this.#shouldRetry(err) });
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  get revision(): number {
    return this.#reached.revision;
  }

  readiness(): Readiness {
    const reason = this.#trouble || this.#whatIsMissing();
    return { isReady: reason === '', reason: reason && `${this.name}: ${reason}` };
  }

  run(): void {
    const { fullCheckIntervalMs = DEFAULT_FULL_CHECK_INTERVAL_MS } = this.#options;
    this.#later(fullCheckIntervalMs, () => this.#checkAll());
    this.#loops = Promise.all([this.#followObjects(), this.#lives.run(this.#stopping.signal)]).catch(
      (error: unknown) => {
        if (this.#stopping.signal.aborted) return;
        this.#trouble = errorText(error);
        this.#fail(error);
      },
    );
  }

  async processAll(): Promise<void> {
    const ended = this.#loops.then(() => true);
    for (let isDone = false; !isDone; ) {
      const { lastSequence } = await this.#context.log.info('objects');
      isDone = await Promise.race([this.#reached.wait(lastSequence), this.failure, ended]);
    }
  }

  /** Hands everything over: others go on at once. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopping.abort();
    this.#reached.release();
    await this.#settling.stop();
    await this.#turns.take(async () => this.#held.forgetAll());
    await this.#lives.leave();
    await this.#loops;
  }

  #whatIsMissing(): string {
    if (!this.#reached.isCaughtUp) return 'replaying the event log';
    const slots = this.#lives.current?.slots;
    if (slots === undefined || !this.#lives.isValid) return 'joining the other replicas';
    const waiting = [...slots.keys()].filter((name) => !this.#held.holds(name));
    return waiting.length === 0 ? '' : `taking over ${waiting.length} partitions`;
  }

  #newMembership(): Membership {
    const { log } = this.#context;
    const group = layerGroup(this.#lane.worker.layer);
    const onProgress = (member: string, data: string | null): void => {
      try {
        this.#progress.note(member, data);
      } catch (err) {
        this.#logger.warn({ err, member }, 'progress that cannot be read, left out');
      }
      if (this.#held.holds(LEAD)) this.#inTurnSoon(() => this.#raise());
    };
    const onChange = (): void => this.#settling.ask();
    const { leaseMs } = this.#options;
    return new Membership({ log, logger: this.#logger, group, partitions: PARTITIONS, leaseMs, onChange, onProgress });
  }

  #followObjects(): Promise<void> {
    const reader = {
      index: this.#index,
      onBatch: (batch: LogBatch) => this.#turns.take(() => this.#process(batch)),
      onStartOver: () => this.#turns.take(async () => this.#startOver()),
      onBadMessage: () => workerMetrics(this.#context.registry).badMessages.inc({ worker: this.name }),
    };
    return followObjects(this.#context, reader, this.#stopping.signal);
  }

  #startOver(): void {
    this.#reached.startOver();
    this.#index.clear();
    this.#progress.clear();
    this.#held.forgetAll();
  }

  async #process({ sequence }: LogBatch): Promise<void> {
    const dirty = this.#index.takeDirty();
    if (this.#held.partitions.length > 0) await this.#held.derive(this.#lane.affected(dirty).values());
    const isFirst = !this.#reached.isCaughtUp;
    await this.#tell(sequence);
    this.#reached.reach(sequence);
    if (isFirst) this.#settling.ask();
  }

  /** What this replica owns and what it holds are made equal. */
  async #settle(): Promise<void> {
    const membership = this.#lives.current;
    if (membership === undefined || !this.#reached.isCaughtUp || !membership.isValid) return;
    const { slots } = membership;
    const asked = [...slots].filter(([, { next }]) => next !== undefined).map(([name]) => name);
    if (asked.length > 0) {
      await this.#turns.take(async () => this.#held.forget(asked));
      await membership.update((state) => release(state, membership.id, asked));
    }
    const missing = [...slots].filter(([name, { next }]) => next === undefined && !this.#held.holds(name));
    if (missing.length > 0) await this.#takeOver(membership, new Map(missing));
    this.#trouble = '';
  }

  /** Without a lease there is nothing to take over, and the next life asks by itself. */
  #shouldRetry(err: unknown): boolean {
    if (!this.#lives.isValid) return false;
    this.#trouble = `cannot take over: ${errorText(err)}`;
    this.#logger.warn({ err }, 'partitions could not be taken over, trying again');
    return true;
  }

  async #takeOver(membership: Membership, slots: ReadonlyMap<string, Slot>): Promise<void> {
    // All that any owner before could have derived from. Deriving from less would take revisions back.
    const { lastSequence } = await this.#context.log.info('objects');
    // In vain: the log came again from its beginning, and once that is read this is asked again.
    if (!(await this.#reached.wait(lastSequence))) return;
    await this.#turns.take(async () => {
      if (this.#stopping.signal.aborted || !membership.isValid) return;
      const names = [...slots.keys()];
      const dirty = names.filter((name) => slots.get(name)?.isDirty);
      await this.#held.takeOver(names, dirty, () => membership.update((state) => clean(state, membership.id, dirty)));
      this.#logger.info({ slots: names.length, dirty: dirty.length, revision: this.#reached.revision }, 'took over');
      await this.#tell(this.#reached.revision);
    });
  }

  #onRefused(err: unknown, names: readonly string[]): void {
    if (this.#stopping.signal.aborted) return;
    this.#logger.warn({ err, partitions: names.length }, 'publishing was refused or is uncertain: reading anew');
    this.#later(RETRY_MS, () => this.#settling.ask());
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer.unref());
  }

  /** How far the partitions of this replica are: by itself to the watermark where it leads, through the log where it does not. */
  async #tell(revision: number): Promise<void> {
    const membership = this.#lives.current;
    const { partitions } = this.#held;
    if (membership === undefined || partitions.length === 0) return;
    const progress = { partitions, watermark: this.#lane.state(revision) };
    this.#progress.add(membership.id, progress);
    if (this.#held.holds(LEAD)) {
      await this.#raise(revision);
      return;
    }
    const subject = progressSubject(layerGroup(this.#lane.worker.layer), membership.id);
    try {
      await this.#context.log.append('leases', { subject, data: JSON.stringify(progress) });
    } catch (err) {
      this.#logger.warn({ err }, 'progress could not be told, trying again');
      this.#later(RETRY_MS, () => this.#inTurnSoon(() => this.#tell(this.#reached.revision)));
    }
  }

  async #raise(revision = this.#reached.revision): Promise<void> {
    await this.#held.publishWatermark(this.#progress.watermark(), revision);
  }

  /** What was published is read back and compared with what should be, to heal what was missed. */
  #checkAll(): void {
    this.#inTurnSoon(async () => {
      this.#held.forgetAll();
      this.#settling.ask();
    });
    this.#later(this.#options.fullCheckIntervalMs ?? DEFAULT_FULL_CHECK_INTERVAL_MS, () => this.#checkAll());
  }

  #inTurnSoon(work: () => Promise<void>): void {
    this.#turns.take(work).catch((err: unknown) => this.#logger.error({ err }, 'unexpected'));
  }
}
