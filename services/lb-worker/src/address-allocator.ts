/**
 * Gives Services addresses from the pools of their class, by `LoadBalancerAddress` intents in the objects stream.
 *
 *     idle ◄────► allocating ──► stopped
 *     (nobody has pools: reads what belongs to no Service)   (reads Services too; plans after each batch)
 *
 * What is given out is in the log, so a restart goes on from there. Every append names the message that it replaces, so
 * that two writers never overwrite each other; that no two Services get the same address is for the planner, which needs
 * one allocator to be active at a time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  INTENT_CLUSTER,
  intentSubject,
  isSignalboxError,
  type ObjectKey,
  type ObjectMessage,
  parseObjectSubject,
  sharedObjects,
} from '@signalbox/contracts';
import type { LogBatch, LogMessage } from '@signalbox/event-log';
import {
  failureSignal,
  Gauge,
  type Logger,
  READY,
  type Readiness,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import { AddressBook, type AddressChange } from '@signalbox/registrations';

const RETRY_MS = 1_000;
/** A Service that moves leaves its address in one plan, and another gets it in the next: this many follow at once. */
const PLANS_AT_ONCE = 10;

export function startAddressAllocator(context: ServiceContext): RunningService {
  return new AddressAllocator(context);
}

class AddressAllocator implements RunningService {
  readonly name = 'address-allocator';
  readonly failure = failureSignal().failure;
  readonly #context: ServiceContext;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  readonly #metrics: ReturnType<typeof poolMetrics>;
  #book = new AddressBook();
  /** Of each intent's last message. */
  #sequences = new Map<string, number>();
  #trouble = 'the event log is being read';

  constructor(context: ServiceContext) {
    this.#context = context;
    this.#logger = context.logger.child({ component: this.name });
    this.#metrics = poolMetrics(context.registry, () => this.#book);
    this.#loop = this.#run();
  }

  readiness(): Readiness {
    if (this.#trouble === '') return READY;
    return { isReady: false, reason: `${this.name}: ${this.#trouble}` };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    for (const metric of Object.values(this.#metrics)) metric.reset();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#follow(sharedObjects(), () => this.#book.isNeeded);
        if (this.#book.isNeeded) await this.#follow('objects.>', () => !this.#book.isNeeded);
      } catch (err) {
        if (signal.aborted) return;
        this.#trouble = 'the event log cannot be read or written';
        this.#logger.warn({ err }, 'allocation of addresses failed, trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Reads everything anew and plans after each batch, until there is enough of it. */
  async #follow(filter: string, isEnough: () => boolean): Promise<void> {
    this.#book = new AddressBook();
    this.#sequences = new Map();
    const isWhole = filter !== sharedObjects();
    const options = { from: 'snapshot', filter, signal: this.#stopping.signal } as const;
    for await (const batch of this.#context.log.follow('objects', options)) {
      this.#applyBatch(batch);
      if (!batch.isCaughtUp) continue;
      if (isWhole) await this.#settle();
      this.#trouble = '';
      if (isEnough()) return;
    }
  }

  #applyBatch({ messages }: LogBatch): void {
    for (const message of messages) {
      const key = parseObjectSubject(message.subject);
      if (key.kind === 'LoadBalancerAddress') this.#sequences.set(key.name, message.sequence);
      if (READ_KINDS.has(key.kind)) this.#apply(key, message);
    }
  }

  #apply(key: ObjectKey, { data, subject }: LogMessage): void {
    try {
      this.#book.apply(key, data === null ? undefined : (JSON.parse(data) as ObjectMessage).object);
    } catch (err) {
      this.#logger.warn({ err, subject }, 'message left out');
    }
  }

  async #settle(): Promise<void> {
    for (let plan = 0; plan < PLANS_AT_ONCE; plan += 1) {
      const changes = this.#book.changes();
      for (const change of changes) if (!(await this.#write(change))) return;
      if (changes.length === 0) return;
    }
  }

  /** False when somebody else wrote first: what they wrote is about to be read. */
  async #write({ name, object }: AddressChange): Promise<boolean> {
    const subject = intentSubject('LoadBalancerAddress', name);
    const message = object && { cluster: INTENT_CLUSTER, resourceVersion: '', changedAtMs: Date.now(), object };
    const data = message === undefined ? null : JSON.stringify(message);
    try {
      const expectedSequence = this.#sequences.get(name) ?? 0;
      this.#sequences.set(name, await this.#context.log.append('objects', { subject, data, expectedSequence }));
    } catch (err) {
      if (isSignalboxError(err, 'conflict')) return false;
      throw err;
    }
    this.#book.apply({ kind: 'LoadBalancerAddress', cluster: INTENT_CLUSTER, namespace: '', name }, object);
    const { ingress, problem } = object?.spec ?? { ingress: [] };
    this.#logger.info({ intent: name, addresses: ingress.map(({ ip }) => ip), problem }, 'addresses allocated');
    return true;
  }
}

const READ_KINDS: ReadonlySet<string> = new Set(['Service', 'Cluster', 'LoadBalancerPolicy', 'LoadBalancerAddress']);

/** Pools are named by policies, of which there are as many as an administrator writes. */
function poolMetrics(registry: ServiceContext['registry'], book: () => AddressBook) {
  const labelNames = ['pool'] as const;
  const gauge = (name: string, help: string, numberOf: (use: { size: number; used: number }) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const use of book().poolUse()) this.set({ pool: use.pool }, numberOf(use));
      },
    });
  return {
    size: gauge('signalbox_address_pool_addresses', 'Addresses of a pool', ({ size }) => size),
    used: gauge('signalbox_address_pool_used', 'Addresses of a pool that Services have', ({ used }) => used),
  };
}
