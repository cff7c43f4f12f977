/**
 * All parts as one process runs them. Registrations are shared by partitions among the replicas; target groups and
 * addresses are decided by one replica at a time, because they look at all Services of a class together.
 *
 *     standing by ──lease──► deciding ──SIGTERM: handed over──► gone
 *                               └── lease lost, or what was written is uncertain ──► failed: the process ends, and stands by anew
 */
import { errorText, SignalboxError, TARGETS_GROUP } from '@signalbox/contracts';
import {
  failureSignal,
  joinPatiently,
  LEAD,
  Membership,
  patiently,
  type Readiness,
  type RunningService,
  type ServiceContext,
  startSharedWorker,
} from '@signalbox/kit';
import { startAddressAllocator } from './address-allocator.ts';
import { lbWorker } from './lb-worker.ts';
import { startTargetGroups } from './start-target-groups.ts';

const READY: Readiness = { isReady: true, reason: '' };

export async function startLbWorker(
  context: ServiceContext,
  { leaseMs }: { leaseMs: number },
): Promise<RunningService> {
  const decider = new Decider(context, leaseMs);
  await decider.join();
  const registrations = await startSharedWorker(context, lbWorker, { leaseMs });
  const parts = [registrations, decider];
  return {
    name: 'lb-worker',
    readiness: () => parts.map((part) => part.readiness()).find(({ isReady }) => !isReady) ?? READY,
    failure: Promise.race(parts.map((part) => part.failure)),
    async stop() {
      await registrations.stop();
      await decider.stop();
    },
  };
}

class Decider {
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #membership: Membership;
  #starting: Promise<void> | undefined;
  #running: readonly RunningService[] = [];
  #isStopping = false;

  constructor(context: ServiceContext, leaseMs: number) {
    this.#context = context;
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
    const onChange = () => this.#look();
    const { log, logger } = context;
    this.#membership = new Membership({ log, logger, group: TARGETS_GROUP, partitions: [], leaseMs, onChange });
  }

  async join(): Promise<void> {
    await joinPatiently(this.#membership);
    this.#membership.lost.then(() => {
      if (this.#isStopping) return;
      const reason = 'it was not renewed in time, or another replica ended it';
      this.#fail(new SignalboxError('unavailable', `the lease on target groups is over: ${reason}`));
    }, this.#fail);
    this.#look();
  }

  readiness(): Readiness {
    if (this.#starting === undefined) return READY;
    if (this.#running.length === 0) return { isReady: false, reason: 'lb-worker: starting to decide on target groups' };
    return this.#running.map((part) => part.readiness()).find(({ isReady }) => !isReady) ?? READY;
  }

  /** Stops writing first, and hands over then. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#starting?.catch(() => undefined);
    await Promise.all(this.#running.map((part) => part.stop()));
    await this.#membership
      .leave()
      .catch((err: unknown) => this.#context.logger.warn({ reason: errorText(err) }, 'could not hand over'));
  }

  #look(): void {
    if (this.#isStopping || this.#starting !== undefined || !this.#membership.slots.has(LEAD)) return;
    this.#context.logger.info('deciding on target groups and addresses: this is the active replica');
    this.#starting = this.#start();
    this.#starting.catch(this.#fail);
  }

  async #start(): Promise<void> {
    const membership = this.#membership;
    const start = () => startTargetGroups(this.#context, { membership });
    const targets = await patiently(start, { isWorthIt: () => membership.isValid });
    this.#running = [targets, startAddressAllocator(this.#context)];
    for (const part of this.#running) part.failure.catch(this.#fail);
  }
}
