/**
 * What every driver is besides its load balancer: holder of its class's lease, and who reports for it.
 *
 *     standing by ──(lease got, earlier reports read)──► on duty ──(lease lost)──► standing by
 */
import { errorText } from '@signalbox/contracts';
import { failureSignal, type Readiness, type ServiceContext } from '../service.ts';
import { LeaseKeeper } from './controller-lease.ts';
import { type DriverStatus, DriverStatuses } from './driver-statuses.ts';

interface DriverDutyOptions {
  readonly loadBalancerClass: string;
  /** Unique among the drivers of the class. */
  readonly name: string;
  readonly leaseMs: number;
  readonly reportIntervalMs: number;
  /** The lease was got: reads what others wrote meanwhile, before the driver is on duty. What it throws is logged. */
  readonly restore?: () => Promise<void>;
  readonly onDuty: () => void;
}

export class DriverDuty {
  /** Rejects when a part of the driver fails for good. */
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #options: DriverDutyOptions;
  readonly #lease: LeaseKeeper;
  readonly #statuses: DriverStatuses;
  readonly #stopping = new AbortController();
  readonly #statusStopping = new AbortController();
  #working: Promise<unknown> = Promise.resolve();
  #telling: Promise<void> = Promise.resolve();
  /** What others wrote is known. */
  #isRestored = false;
  /** Counts each time the lease was got or lost. */
  #tenure = 0;

  constructor(context: ServiceContext, options: DriverDutyOptions) {
    const { loadBalancerClass, name, leaseMs, reportIntervalMs } = options;
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
    this.#context = context;
    this.#options = options;
    this.#lease = new LeaseKeeper(context, {
      loadBalancerClass,
      holder: name,
      durationMs: leaseMs,
      onChange: () => void this.#onLease(),
    });
    this.#statuses = new DriverStatuses(context, {
      loadBalancerClass,
      name,
      intervalMs: reportIntervalMs,
      mayReport: () => this.isOnDuty,
    });
  }

  /** The driver may change its load balancer, and speaks for the class. */
  get isOnDuty(): boolean {
    return this.#isRestored && this.#lease.isHeld;
  }

  get holdsLease(): boolean {
    return this.#lease.isHeld;
  }

  /** Aborted when the driver is to stop. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** To be reported while on duty. */
  note(status: DriverStatus): void {
    this.#statuses.note(status, Date.now());
  }

  start(parts: readonly ((signal: AbortSignal) => Promise<void>)[]): void {
    const { signal } = this.#stopping;
    const running = [this.#lease.run(signal), ...parts.map((part) => part(signal))];
    this.#working = Promise.all(running.map((part) => part.catch(this.#fail)));
    this.#telling = this.#statuses.run(this.#statusStopping.signal).catch(this.#fail);
  }

  /** `finish` ends what is under way: what was done last is told before the lease is given back. Idempotent. */
  async stop(finish: () => Promise<void> = async () => {}): Promise<void> {
    this.#stopping.abort();
    await finish();
    await this.#working;
    this.#statusStopping.abort();
    await this.#telling;
    await this.#lease.release();
  }

  /** Of a driver that is not on duty, because another is: ready to take over. Undefined while it holds the lease. */
  standby(): Readiness | undefined {
    if (this.#lease.isHeld) return undefined;
    const { holder } = this.#lease;
    return holder === '' || holder === this.#options.name
      ? { isReady: false, reason: 'the lease is not held yet' }
      : { isReady: true, reason: `standing by: ${holder} holds the lease` };
  }

  async #onLease(): Promise<void> {
    const { logger } = this.#context;
    this.#isRestored = false;
    this.#tenure += 1;
    const tenure = this.#tenure;
    if (!this.#lease.isHeld) {
      logger.warn({ holder: this.#lease.holder }, 'the lease is lost: nothing is changed');
      return;
    }
    logger.info({ loadBalancerClass: this.#options.loadBalancerClass }, 'the lease is held');
    try {
      await this.#statuses.restore();
      await this.#options.restore?.();
    } catch (error) {
      logger.warn({ reason: errorText(error) }, 'earlier reports could not be read: everything is told again');
    }
    if (tenure !== this.#tenure) return;
    this.#isRestored = true;
    this.#statuses.noteLease();
    this.#options.onDuty();
  }
}
