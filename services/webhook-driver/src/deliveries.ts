/**
 * Sends the newest state of each target group, in order, to one receiver.
 *
 *     idle ──(a newer index)──► waiting ──(a place is free)──► sending ──(2xx)──► idle
 *                                  ▲                              │
 *                                  └──(back-off)── failed ◄───────┘      (410: idle until a newer index)
 *
 * Of one group one message is under way, so that an older index never comes after a newer one; what comes meanwhile
 * replaces what waits. So memory is one message per group, and connections are as many as `concurrency`.
 */
import { errorText, type TargetGroupKey } from '@signalbox/contracts';
import type { Clock } from '@signalbox/kit';
import { type Backoff, backoffMs, type DeliveryOutcome } from './delivery-outcome.ts';

export interface Delivery {
  readonly key: TargetGroupKey;
  /** Of the TargetGroupSet; of a group that is gone: where that was seen. */
  readonly index: number;
  readonly revision: number;
  readonly isRemoval: boolean;
  /** Made when it is sent. */
  readonly body: () => string;
}

/** How far one group has come. */
export interface DeliveryState {
  readonly key: TargetGroupKey;
  /** 0: nothing was delivered yet. */
  readonly index: number;
  readonly revision: number;
  readonly deliveredAtMs: number | null;
  readonly error: string;
}

interface DeliveriesOptions {
  readonly clock: Clock;
  readonly concurrency: number;
  readonly backoff: Backoff;
  /** After an answer that would be the same next time. */
  readonly refusedRetryMs: number;
  readonly isAllowed: () => boolean;
  readonly send: (delivery: Delivery) => Promise<DeliveryOutcome>;
  readonly onOutcome: (type: DeliveryOutcome['type']) => void;
  /** After each attempt. */
  readonly onChange: () => void;
}

interface Lane {
  state: DeliveryState;
  wanted: Delivery | undefined;
  /** The newest that was asked for, whatever became of it. */
  latest: { readonly index: number; readonly isRemoval: boolean };
  isSending: boolean;
  failures: number;
  notBeforeMs: number;
}

export class Deliveries {
  readonly #options: DeliveriesOptions;
  readonly #lanes = new Map<string, Lane>();
  /** Lanes with something to send, in order of coming. */
  readonly #waiting = new Set<string>();
  readonly #sending = new Set<Promise<void>>();
  #cancelTimer = (): void => {};
  #isStopped = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  get states(): DeliveryState[] {
    return [...this.#lanes.values()].map(({ state }) => state);
  }

  /** What of a group was delivered last; 0: nothing. */
  indexOf(key: TargetGroupKey): number {
    return this.#lanes.get(laneName(key))?.state.index ?? 0;
  }

  /** Messages that wait or are under way. */
  get pending(): number {
    return this.#waiting.size + this.#sending.size;
  }

  /** What an earlier life delivered, or another driver while this one had lost the lease. */
  restore(state: DeliveryState): void {
    const lane = this.#lanes.get(laneName(state.key));
    if (lane === undefined) this.#lanes.set(laneName(state.key), newLane(state));
    else if (state.index > lane.state.index) lane.state = state;
  }

  want(delivery: Delivery): void {
    const name = laneName(delivery.key);
    const nothing = { key: delivery.key, index: 0, revision: 0, deliveredAtMs: null, error: '' };
    const lane = this.#lanes.get(name) ?? newLane(nothing);
    this.#lanes.set(name, lane);
    const { index, isRemoval } = delivery;
    if (lane.latest.index === index && lane.latest.isRemoval === isRemoval) return;
    lane.latest = { index, isRemoval };
    lane.wanted = delivery;
    // A newer state is not punished for what became of an older one, unless the receiver is away.
    if (lane.failures === 0) lane.notBeforeMs = 0;
    this.#waiting.add(name);
    this.pump();
  }

  /** Sends what is due and may be sent. */
  pump(): void {
    this.#cancelTimer();
    if (this.#isStopped || !this.#options.isAllowed()) return;
    const { clock } = this.#options;
    const now = clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const name of this.#waiting) {
      if (this.#sending.size >= this.#options.concurrency) return;
      const lane = this.#lanes.get(name);
      if (lane === undefined || lane.isSending) continue;
      if (lane.notBeforeMs > now) nextMs = Math.min(nextMs, lane.notBeforeMs);
      else this.#begin(name, lane);
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#cancelTimer = clock.callAt(nextMs, () => this.pump());
  }

  /** Waits for what is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer();
    await Promise.all(this.#sending);
  }

  #begin(name: string, lane: Lane): void {
    const delivery = lane.wanted;
    this.#waiting.delete(name);
    if (delivery === undefined) return;
    lane.wanted = undefined;
    lane.isSending = true;
    const sending = this.#attempt(lane, delivery).finally(() => {
      lane.isSending = false;
      this.#sending.delete(sending);
      if (lane.wanted !== undefined) this.#waiting.add(name);
      else if (delivery.isRemoval && lane.state.error === '') this.#lanes.delete(name);
      this.#options.onChange();
      this.pump();
    });
    this.#sending.add(sending);
  }

  async #attempt(lane: Lane, delivery: Delivery): Promise<void> {
    const outcome = await this.#options
      .send(delivery)
      .catch((error: unknown): DeliveryOutcome => ({ type: 'retry', reason: errorText(error), afterMs: undefined }));
    this.#options.onOutcome(outcome.type);
    if (outcome.type === 'delivered' || (outcome.type === 'gone' && delivery.isRemoval)) {
      const { key, index, revision } = delivery;
      lane.state = { key, index, revision, deliveredAtMs: Date.now(), error: '' };
      lane.failures = 0;
      return;
    }
    lane.state = { ...lane.state, error: outcome.reason };
    if (outcome.type === 'gone') return;
    lane.failures += 1;
    lane.notBeforeMs = this.#options.clock.nowMs() + this.#pauseMs(outcome, lane.failures);
    lane.wanted ??= delivery;
    // What is refused for what it says does not hold up the next one.
    if (outcome.type === 'refused') lane.failures = 0;
    if (outcome.type === 'refused' && lane.wanted !== delivery) lane.notBeforeMs = 0;
  }

  #pauseMs(outcome: DeliveryOutcome, failures: number): number {
    const { backoff, refusedRetryMs } = this.#options;
    if (outcome.type === 'refused') return refusedRetryMs;
    const asked = outcome.type === 'retry' ? Math.min(outcome.afterMs ?? 0, backoff.maxMs) : 0;
    return Math.max(asked, backoffMs(failures, Math.random(), backoff));
  }
}

function newLane(state: DeliveryState): Lane {
  const latest = { index: state.index, isRemoval: false };
  return { state, latest, wanted: undefined, isSending: false, failures: 0, notBeforeMs: 0 };
}

export function laneName({ cluster, namespace, name, port }: TargetGroupKey): string {
  return JSON.stringify([cluster, namespace, name, port]);
}
