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
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import {
  type DerivedMessage,
  errorText,
  layerGroup,
  PARTITIONS,
  parseDerivedSubject,
  partitionOf,
  progressSubject,
  type ServiceKey,
} from '@signalbox/contracts';
import type { AppendEntry, LogBatch, LogMessage } from '@signalbox/event-log';
import { followObjects } from '../follow-objects.ts';
import type { PublishedDocument } from '../layer-outputs.ts';
import type { Logger } from '../logger.ts';
import { ReachedRevision } from '../reached-revision.ts';
import { failureSignal, type Readiness, type ServiceContext } from '../service.ts';
import { ServiceIndex } from '../service-index.ts';
import { Turns } from '../turns.ts';
import type { WorkerDefinition } from '../worker.ts';
import { WorkerLane } from '../worker-lane.ts';
import { sharesMetrics, workerMetrics } from '../worker-metrics.ts';
import type { RunningWorkers } from '../worker-runtime.ts';
import { FencedPublisher, partitionOfDerived } from './fenced-publisher.ts';
import { clean, LEAD, release, type Slot } from './group-state.ts';
import { LayerLead } from './layer-lead.ts';
import { LayerProgress } from './layer-progress.ts';
import { Membership } from './membership.ts';
import { readPartitions } from './read-partitions.ts';

export interface SharedWorkerOptions {
  /** A replica that is silent for longer loses its partitions. */
  readonly leaseMs: number;
  readonly fullCheckIntervalMs?: number;
}

const DERIVE_CHUNK = 250;
const APPEND_CHUNK = 1000;
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
  readonly #publisher: FencedPublisher;
  readonly #progress = new LayerProgress(PARTITIONS);
  readonly #stopping = new AbortController();
  readonly #reached = new ReachedRevision();
  readonly #turns = new Turns();
  readonly #lead: LayerLead;
  #membership: Membership | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  #settling: Promise<void> | undefined;
  #mustSettleAgain = false;
  #trouble = '';
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(context: ServiceContext, worker: WorkerDefinition, options: SharedWorkerOptions) {
    this.name = worker.name;
    this.#context = context;
    this.#logger = context.logger;
    this.#options = options;
    this.#lane = new WorkerLane(worker, this.#index, context);
    this.#publisher = new FencedPublisher({
      log: context.log,
      stream: 'derived',
      partitionOf: partitionOfDerived,
      isValid: () => this.#membership?.isValid ?? false,
    });
    this.#lead = new LayerLead({ log: context.log, logger: context.logger, layer: worker.layer });
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
    this.#loops = Promise.all([this.#followObjects(), this.#live()]).catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      this.#trouble = errorText(error);
      this.#fail(error);
    });
  }

  async processAll(): Promise<void> {
    const { lastSequence } = await this.#context.log.info('objects');
    await Promise.race([this.#reached.wait(lastSequence), this.failure, this.#loops]);
  }

  /** Hands everything over: others go on at once. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopping.abort();
    this.#reached.release();
    await this.#settling;
    await this.#turns.take(async () => this.#forget(this.#publisher.partitions));
    await this.#membership?.leave().catch((err: unknown) => this.#logger.warn({ err }, 'could not hand over in time'));
    await this.#loops;
  }

  #whatIsMissing(): string {
    if (!this.#reached.isCaughtUp) return 'replaying the event log';
    const slots = this.#membership?.slots;
    if (slots === undefined || !this.#membership?.isValid) return 'joining the other replicas';
    const waiting = [...slots.keys()].filter((name) => !this.#publisher.holds(name));
    return waiting.length === 0 ? '' : `taking over ${waiting.length} partitions`;
  }

  /** One life after the other. */
  async #live(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const membership = this.#newMembership();
      try {
        await membership.join();
        if (signal.aborted) return await membership.leave();
        this.#membership = membership;
        this.#settle();
        await Promise.race([membership.lost, untilAborted(signal)]);
        if (signal.aborted) return;
        this.#logger.warn({ member: membership.id }, 'lost the lease: others have taken over, joining again');
      } catch (err) {
        this.#logger.warn({ err }, 'cannot join the other replicas, trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
      await this.#turns.take(async () => this.#forget(this.#publisher.partitions));
      await membership.leave().catch(() => {});
    }
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
      this.#raiseSoon();
    };
    const onChange = (): void => this.#settle();
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
    this.#forget(this.#publisher.partitions);
  }

  async #process({ sequence }: LogBatch): Promise<void> {
    const dirty = this.#index.takeDirty();
    const active = this.#active();
    if (active.size > 0) {
      const keys = [...this.#lane.affected(dirty).values()].filter((key) => active.has(partitionOfKey(key)));
      await this.#derive(keys);
    }
    const isFirst = !this.#reached.isCaughtUp;
    await this.#tell(sequence);
    this.#reached.reach(sequence);
    if (isFirst) this.#settle();
  }

  /** What this replica owns and what it holds are made equal, as often as either changes. */
  #settle(): void {
    this.#mustSettleAgain = true;
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = undefined;
    });
  }

  async #settleAll(): Promise<void> {
    while (this.#mustSettleAgain && !this.#stopping.signal.aborted) {
      this.#mustSettleAgain = false;
      const membership = this.#membership;
      if (membership === undefined || !this.#reached.isCaughtUp || !membership.isValid) continue;
      try {
        await this.#settleOnce(membership);
        this.#trouble = '';
      } catch (err) {
        if (this.#stopping.signal.aborted || !membership.isValid) continue;
        this.#trouble = `cannot take over: ${errorText(err)}`;
        this.#logger.warn({ err }, 'partitions could not be taken over, trying again');
        await sleep(RETRY_MS);
        this.#mustSettleAgain = true;
      }
    }
  }

  async #settleOnce(membership: Membership): Promise<void> {
    const { slots } = membership;
    const asked = [...slots].filter(([, { next }]) => next !== undefined).map(([name]) => name);
    if (asked.length > 0) {
      await this.#turns.take(async () => this.#forget(asked));
      await membership.update((state) => release(state, membership.id, asked));
    }
    const missing = [...slots].filter(([name, { next }]) => next === undefined && !this.#publisher.holds(name));
    if (missing.length > 0) await this.#takeOver(membership, new Map(missing));
  }

  async #takeOver(membership: Membership, slots: ReadonlyMap<string, Slot>): Promise<void> {
    // All that any owner before could have derived from. Deriving from less would take revisions back.
    const { lastSequence } = await this.#context.log.info('objects');
    await this.#reached.wait(lastSequence);
    await this.#turns.take(async () => {
      if (this.#stopping.signal.aborted || !membership.isValid) return;
      const names = [...slots.keys()];
      const dirty = names.filter((name) => slots.get(name)?.isDirty);
      const messages = await this.#publisher.hold(names, { dirty: new Set(dirty), read: () => this.#read(names) });
      if (dirty.length > 0) await membership.update((state) => clean(state, membership.id, dirty));
      this.#restore(names, messages);
      await this.#derive([...this.#lane.everything().values()].filter((key) => slots.has(partitionOfKey(key))));
      this.#logger.info({ slots: names.length, dirty: dirty.length, revision: this.#reached.revision }, 'took over');
      await this.#tell(this.#reached.revision);
    });
  }

  async #read(names: readonly string[]): Promise<LogMessage[]> {
    const { log } = this.#context;
    const partitions = names.filter((name) => name !== LEAD);
    const messages = await readPartitions(log, this.#lane.worker.layer, partitions);
    const watermark = names.includes(LEAD) ? await log.last('derived', this.#lead.subject) : undefined;
    return watermark === undefined ? messages : [...messages, watermark];
  }

  #restore(names: readonly string[], messages: readonly LogMessage[]): void {
    const documents: PublishedDocument[] = [];
    for (const { subject, data } of messages) {
      const parsed = parseDerivedSubject(subject);
      if (data === null || parsed.type === 'watermark') continue;
      const { contentHash, revision } = JSON.parse(data) as DerivedMessage;
      documents.push({ key: parsed.key, contentHash, revision });
    }
    this.#lane.outputs.restorePartitions(new Set(names), documents);
    this.#countPartitions();
    if (names.includes(LEAD)) this.#lead.take(messages.find(({ subject }) => subject === this.#lead.subject)?.data);
  }

  /** Publishes what differs. A partition where that fails is read anew, and derived whole. */
  async #derive(keys: readonly ServiceKey[]): Promise<void> {
    let entries: AppendEntry[] = [];
    for (const [index, key] of keys.entries()) {
      const entry = this.#lane.derive(key);
      if (entry !== undefined) entries.push(entry);
      if (index % DERIVE_CHUNK === DERIVE_CHUNK - 1) await setImmediate();
      if (entries.length < APPEND_CHUNK) continue;
      await this.#publish(entries);
      entries = [];
    }
    await this.#publish(entries);
  }

  async #publish(entries: readonly AppendEntry[]): Promise<void> {
    if (entries.length === 0) return;
    try {
      await this.#publisher.publish(entries);
    } catch (err) {
      const partitions = new Set(entries.map(({ subject }) => partitionOfDerived(subject)));
      this.#forget([...partitions]);
      sharesMetrics(this.#context.registry).refused.inc({ worker: this.name }, entries.length);
      if (this.#stopping.signal.aborted) return;
      this.#logger.warn({ err, partitions: partitions.size }, 'publishing was refused or is uncertain: reading anew');
      this.#later(RETRY_MS, () => this.#settle());
    }
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
    const membership = this.#membership;
    const partitions = [...this.#active()];
    if (membership === undefined || partitions.length === 0) return;
    const progress = { partitions, watermark: this.#lane.state(revision) };
    this.#progress.add(membership.id, progress);
    if (this.#publisher.holds(LEAD)) {
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

  #raiseSoon(): void {
    if (this.#publisher.holds(LEAD)) this.#inTurnSoon(() => this.#raise(this.#reached.revision));
  }

  async #raise(revision: number): Promise<void> {
    if (!this.#publisher.holds(LEAD)) return;
    const watermark = this.#progress.watermark();
    const entry = this.#lead.next(watermark, revision);
    if (watermark === undefined || entry === undefined) return;
    try {
      await this.#publisher.publish([entry]);
      this.#lead.notePublished(watermark);
    } catch (err) {
      this.#forget([LEAD]);
      this.#logger.warn({ err }, 'the watermark was refused or is uncertain: reading anew');
      this.#later(RETRY_MS, () => this.#settle());
    }
  }

  /** What was published is read back and compared with what should be, to heal what was missed. */
  #checkAll(): void {
    this.#inTurnSoon(async () => {
      this.#forget(this.#publisher.partitions);
      this.#settle();
    });
    this.#later(this.#options.fullCheckIntervalMs ?? DEFAULT_FULL_CHECK_INTERVAL_MS, () => this.#checkAll());
  }

  #active(): Set<string> {
    return new Set(this.#publisher.partitions.filter((name) => name !== LEAD));
  }

  #forget(names: readonly string[]): void {
    this.#publisher.drop(names);
    this.#lane.outputs.forgetPartitions(new Set(names));
    if (names.includes(LEAD)) this.#lead.leave();
    this.#countPartitions();
  }

  #countPartitions(): void {
    sharesMetrics(this.#context.registry).partitions.set({ worker: this.name }, this.#active().size);
  }

  #inTurnSoon(work: () => Promise<void>): void {
    this.#turns.take(work).catch((err: unknown) => this.#logger.error({ err }, 'unexpected'));
  }
}

function partitionOfKey({ namespace, name }: ServiceKey): string {
  return partitionOf(namespace, name);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
