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
  derivedOfLayer,
  derivedOfPartition,
  errorText,
  isSignalboxError,
  layerGroup,
  type ObjectMessage,
  PARTITIONS,
  parseDerivedSubject,
  partitionOf,
  progressSubject,
  type ServiceKey,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import type { AppendEntry, LogBatch, LogMessage } from '@signalbox/event-log';
import { startCompaction } from '../compaction.ts';
import type { PublishedDocument } from '../layer-outputs.ts';
import type { Logger } from '../logger.ts';
import { failureSignal, type Readiness, type ServiceContext } from '../service.ts';
import { ServiceIndex } from '../service-index.ts';
import type { WorkerDefinition } from '../worker.ts';
import { WorkerLane } from '../worker-lane.ts';
import { sharesMetrics, workerMetrics } from '../worker-metrics.ts';
import type { RunningWorkers } from '../worker-runtime.ts';
import { FencedPublisher, partitionOfDerived } from './fenced-publisher.ts';
import { clean, LEAD, release, type Slot } from './group-state.ts';
import { LayerProgress } from './layer-progress.ts';
import { Membership } from './membership.ts';

export interface SharedWorkerOptions {
  /** A replica that is silent for longer loses its partitions. */
  readonly leaseMs: number;
  readonly fullCheckIntervalMs?: number;
}

const DERIVE_CHUNK = 250;
const APPEND_CHUNK = 1000;
const RETRY_MS = 500;
const DEFAULT_FULL_CHECK_INTERVAL_MS = 600_000;
/** More partitions than this are read in one pass over the layer. */
const MAX_SINGLE_READS = 4;

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
  readonly #waiting = new Set<{ revision: number; resolve: () => void }>();
  #membership: Membership | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  #turn: Promise<void> = Promise.resolve();
  #settling: Promise<void> | undefined;
  #mustSettleAgain = false;
  #isCaughtUp = false;
  #revision = 0;
  #watermark: Watermark | undefined;
  #trouble = '';
  #stopCompaction: (() => void) | undefined;
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
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
  }

  get revision(): number {
    return this.#revision;
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
    await Promise.race([this.#reached(lastSequence), this.failure, this.#loops]);
  }

  /** Hands everything over: others go on at once. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopping.abort();
    for (const { resolve } of this.#waiting) resolve();
    await this.#settling;
    await this.#inTurn(async () => this.#forget(this.#publisher.partitions));
    await this.#membership?.leave().catch((err: unknown) => this.#logger.warn({ err }, 'could not hand over in time'));
    await this.#loops;
  }

  #whatIsMissing(): string {
    if (!this.#isCaughtUp) return 'replaying the event log';
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
        this.#membership = membership;
        this.#settle();
        await Promise.race([membership.lost, untilAborted(signal)]);
        if (signal.aborted) return;
        this.#logger.warn({ member: membership.id }, 'lost the lease: others have taken over, joining again');
      } catch (err) {
        this.#logger.warn({ err }, 'cannot join the other replicas, trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
      await this.#inTurn(async () => this.#forget(this.#publisher.partitions));
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

  async #followObjects(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        for await (const batch of this.#context.log.follow('objects', { from: 'snapshot', signal })) {
          for (const message of batch.messages) this.#applyMessage(message);
          if (batch.isCaughtUp) await this.#inTurn(() => this.#process(batch));
        }
        return;
      } catch (err) {
        if (!isSignalboxError(err, 'expired')) throw err;
        this.#logger.warn({ err }, 'replaying the event log');
        await this.#inTurn(async () => this.#startOver());
      }
    }
  }

  #startOver(): void {
    this.#isCaughtUp = false;
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
    this.#revision = sequence;
    if (!this.#isCaughtUp) {
      this.#isCaughtUp = true;
      this.#settle();
    }
    await this.#tell();
    for (const waiter of this.#waiting) {
      if (waiter.revision > sequence) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
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
      if (membership === undefined || !this.#isCaughtUp || !membership.isValid) continue;
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
      await this.#inTurn(async () => this.#forget(asked));
      await membership.update((state) => release(state, membership.id, asked));
    }
    const missing = [...slots].filter(([name, { next }]) => next === undefined && !this.#publisher.holds(name));
    if (missing.length > 0) await this.#takeOver(membership, new Map(missing));
  }

  async #takeOver(membership: Membership, slots: ReadonlyMap<string, Slot>): Promise<void> {
    // All that any owner before could have derived from. Deriving from less would take revisions back.
    const { lastSequence } = await this.#context.log.info('objects');
    await this.#reached(lastSequence);
    await this.#inTurn(async () => {
      if (this.#stopping.signal.aborted || !membership.isValid) return;
      const names = [...slots.keys()];
      const dirty = names.filter((name) => slots.get(name)?.isDirty);
      const messages = await this.#publisher.hold(names, { dirty: new Set(dirty), read: () => this.#read(names) });
      if (dirty.length > 0) await membership.update((state) => clean(state, membership.id, dirty));
      this.#restore(names, messages);
      await this.#derive([...this.#lane.everything().values()].filter((key) => slots.has(partitionOfKey(key))));
      this.#logger.info({ slots: names.length, dirty: dirty.length, revision: this.#revision }, 'took over');
      await this.#tell();
    });
  }

  async #read(names: readonly string[]): Promise<LogMessage[]> {
    const { layer } = this.#lane.worker;
    const partitions = names.filter((name) => name !== LEAD);
    const filters = partitions.map((partition) => derivedOfPartition(layer, partition));
    const messages: LogMessage[] = [];
    for (const filter of filters.length > MAX_SINGLE_READS ? [derivedOfLayer(layer)] : filters) {
      for await (const batch of this.#context.log.follow('derived', { from: 'snapshot', filter })) {
        messages.push(...batch.messages);
        if (batch.isCaughtUp) break;
      }
    }
    const wanted = new Set(partitions);
    // The last one of each subject: a snapshot that others write to meanwhile may have two.
    const last = new Map(messages.map((message) => [message.subject, message]));
    const found = [...last.values()].filter(({ subject }) => wanted.has(subject.split('.', 3)[2] ?? ''));
    const watermark = names.includes(LEAD)
      ? await this.#context.log.last('derived', watermarkSubject(layer))
      : undefined;
    return watermark === undefined ? found : [...found, watermark];
  }

  #restore(names: readonly string[], messages: readonly LogMessage[]): void {
    const documents: PublishedDocument[] = [];
    for (const { subject, data } of messages) {
      if (data === null) continue;
      const parsed = parseDerivedSubject(subject);
      if (parsed.type === 'watermark') this.#watermark = JSON.parse(data) as Watermark;
      else documents.push({ key: parsed.key, ...publishedOf(data) });
    }
    this.#lane.outputs.restorePartitions(new Set(names), documents);
    this.#countPartitions();
    if (names.includes(LEAD)) this.#stopCompaction ??= startCompaction(this.#context.log, 'derived', this.#logger);
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
      const partitions = new Set(entries.map(({ subject }) => subject.split('.', 3)[2] ?? ''));
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
  async #tell(): Promise<void> {
    const membership = this.#membership;
    const partitions = [...this.#active()];
    if (membership === undefined || partitions.length === 0) return;
    const progress = { partitions, watermark: this.#lane.state(this.#revision) };
    this.#progress.add(membership.id, progress);
    if (this.#publisher.holds(LEAD)) {
      await this.#raise();
      return;
    }
    const subject = progressSubject(layerGroup(this.#lane.worker.layer), membership.id);
    try {
      await this.#context.log.append('leases', { subject, data: JSON.stringify(progress) });
    } catch (err) {
      this.#logger.warn({ err }, 'progress could not be told, trying again');
      this.#later(RETRY_MS, () => this.#inTurnSoon(() => this.#tell()));
    }
  }

  #raiseSoon(): void {
    if (this.#publisher.holds(LEAD)) this.#inTurnSoon(() => this.#raise());
  }

  async #raise(): Promise<void> {
    const next = this.#progress.watermark();
    if (next === undefined || !this.#publisher.holds(LEAD)) return;
    const last = this.#watermark;
    // Never back; but a log that ends before the last watermark is another log.
    if (last !== undefined && next.revision < last.revision && last.revision <= this.#revision) return;
    const data = JSON.stringify(next);
    if (last !== undefined && data === JSON.stringify(last)) return;
    try {
      await this.#publisher.publish([{ subject: watermarkSubject(this.#lane.worker.layer), data }]);
      this.#watermark = next;
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
    if (names.includes(LEAD)) {
      this.#watermark = undefined;
      this.#stopCompaction?.();
      this.#stopCompaction = undefined;
    }
    this.#countPartitions();
  }

  #countPartitions(): void {
    sharesMetrics(this.#context.registry).partitions.set({ worker: this.name }, this.#active().size);
  }

  async #reached(revision: number): Promise<void> {
    if (this.#isCaughtUp && this.#revision >= revision) return;
    await new Promise<void>((resolve) => this.#waiting.add({ revision, resolve }));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #inTurnSoon(work: () => Promise<void>): void {
    this.#inTurn(work).catch((err: unknown) => this.#logger.error({ err }, 'unexpected'));
  }

  #applyMessage({ subject, sequence, storedAtMs, data, headers }: LogMessage): void {
    try {
      const value = data === null ? undefined : (JSON.parse(data) as ObjectMessage);
      this.#index.apply({ subject, sequence, storedAtMs, value, traceparent: headers?.traceparent });
    } catch (err) {
      workerMetrics(this.#context.registry).badMessages.inc({ worker: this.name });
      this.#logger.warn({ err, subject, sequence }, 'message left out');
    }
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

function publishedOf(data: string): Omit<PublishedDocument, 'key'> {
  const { contentHash, revision } = JSON.parse(data) as DerivedMessage;
  return { contentHash, revision };
}
