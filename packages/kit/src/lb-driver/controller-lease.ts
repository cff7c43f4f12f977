/**
 * Who may program the load balancer of a class: one message in the STATUS stream, changed by compare and swap.
 *
 *     waiting ──(nobody holds it, or its holder has not renewed it for its duration)──► held ──(renewed by thirds)──► held
 *        ▲                                                                               │
 *        └──(somebody else changed it, or it could not be renewed in time)───────────────┘
 *
 * Whether another's lease has run out is judged by this process's clock alone, from when it saw the last renewal, as
 * client-go's leader election does: clocks of machines differ. A holder trusts its lease for less long than others do.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControllerLease, controllerLeaseSchema, controllerLeaseSubject, errorText } from '@signalbox/contracts';
import type { ServiceContext } from '../service.ts';

/** A lease as the log has it, and since when this process knows it. */
export interface SeenLease {
  readonly lease: ControllerLease;
  readonly seenAtMs: number;
}

export interface LeaseWish {
  readonly holder: string;
  readonly durationMs: number;
  readonly nowMs: number;
}

/** The lease to write, or undefined: another holds it. Pure. */
export function nextLease(
  seen: SeenLease | undefined,
  { holder, durationMs, nowMs }: LeaseWish,
): ControllerLease | undefined {
  const mine = { holder, durationMs, renewedAtMs: nowMs };
  if (seen === undefined) return { ...mine, epoch: 1, acquiredAtMs: nowMs };
  const { lease, seenAtMs } = seen;
  if (lease.holder === holder) return { ...mine, epoch: lease.epoch, acquiredAtMs: lease.acquiredAtMs };
  const isFree = lease.holder === '' || nowMs - seenAtMs >= lease.durationMs;
  return isFree ? { ...mine, epoch: lease.epoch + 1, acquiredAtMs: nowMs } : undefined;
}

interface LeaseOptions {
  readonly loadBalancerClass: string;
  readonly holder: string;
  readonly durationMs: number;
  /** Called when it was got or lost. */
  readonly onChange: () => void;
}

/** Part of its duration for which a holder trusts its own lease. */
const TRUSTED_SHARE = 0.8;

export class LeaseKeeper {
  readonly #context: ServiceContext;
  readonly #options: LeaseOptions;
  readonly #subject: string;
  #seen: (SeenLease & { readonly sequence: number }) | undefined;
  #trustedUntilMs = 0;
  /** Somebody else writes under this name: then it is theirs. */
  #isUsurped = false;

  constructor(context: ServiceContext, options: LeaseOptions) {
    this.#context = context;
    this.#options = options;
    this.#subject = controllerLeaseSubject(options.loadBalancerClass);
  }

  get isHeld(): boolean {
    return performance.now() < this.#trustedUntilMs;
  }

  /** Who has it, for people; empty: nobody. */
  get holder(): string {
    return this.#seen?.lease.holder ?? '';
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wasHeld = this.isHeld;
      try {
        await this.#tryToHold();
      } catch (error) {
        this.#context.logger.warn({ reason: errorText(error) }, 'the lease cannot be written, trying again');
      }
      if (wasHeld !== this.isHeld) this.#options.onChange();
      await sleep(this.#options.durationMs / (this.isHeld ? 3 : 6), undefined, { signal }).catch(() => {});
    }
  }

  /** Gives it back, so that another need not wait for it to run out. */
  async release(): Promise<void> {
    if (!this.isHeld || this.#seen === undefined) return;
    this.#trustedUntilMs = 0;
    const { lease, sequence } = this.#seen;
    const data = JSON.stringify({ ...lease, holder: '', renewedAtMs: Date.now() });
    try {
      await this.#context.log.append('status', { subject: this.#subject, data, expectedSequence: sequence });
    } catch (error) {
      this.#context.logger.warn({ reason: errorText(error) }, 'the lease could not be given back: it runs out');
    }
  }

  async #tryToHold(): Promise<void> {
    const { log } = this.#context;
    const { durationMs } = this.#options;
    const beganMs = performance.now();
    await this.#look(beganMs);
    const nowMs = Date.now();
    const age = this.#seen === undefined ? 0 : beganMs - this.#seen.seenAtMs;
    const seen = this.#seen && { lease: this.#seen.lease, seenAtMs: nowMs - age };
    if (seen !== undefined && this.#isUsurped && age < seen.lease.durationMs) return;
    const lease = nextLease(seen, { ...this.#options, nowMs });
    if (lease === undefined) return;
    const expectedSequence = this.#seen?.sequence ?? 0;
    const entry = { subject: this.#subject, data: JSON.stringify(lease), expectedSequence };
    const sequence = await log.append('status', entry);
    this.#seen = { lease, seenAtMs: beganMs, sequence };
    this.#isUsurped = false;
    this.#trustedUntilMs = beganMs + durationMs * TRUSTED_SHARE;
  }

  async #look(nowMs: number): Promise<void> {
    const message = await this.#context.log.last('status', this.#subject);
    if (message === undefined) {
      this.#seen = undefined;
      return;
    }
    if (message.sequence === this.#seen?.sequence) return;
    const lease = readLease(message.data);
    const wasMine = this.#trustedUntilMs > 0 && this.#seen?.lease.holder === this.#options.holder;
    this.#isUsurped = lease.holder === this.#options.holder && (wasMine || this.#isUsurped);
    if (wasMine) this.#context.logger.warn({ holder: lease.holder }, 'the lease was taken by another');
    this.#trustedUntilMs = 0;
    this.#seen = { lease, seenAtMs: nowMs, sequence: message.sequence };
  }
}

/** What cannot be read counts as free: it would lock everybody out for ever. */
function readLease(data: string | null): ControllerLease {
  const free = { holder: '', epoch: 0, acquiredAtMs: 0, renewedAtMs: 0, durationMs: 1_000 };
  if (data === null) return free;
  try {
    return controllerLeaseSchema.parse(JSON.parse(data));
  } catch {
    return free;
  }
}
