/**
 * The order in which an address goes: out of DNS and load balancers first, out of this node's rules then. What is programmed
 * is what the plans say, and what lingers (see `LingeringPlans`) until acknowledgements or the clock say that it need not.
 * Nothing of it outlives the process: the first load of the next one is what the plans say.
 */
import type { Logger, StreamReader } from '@signalbox/kit';
import { LingeringPlans, type LingerOutcome, type LingerPolicy, type PlanChange } from '@signalbox/rules';
import { LayerAckFeed } from './layer-ack-feed.ts';
import type { PlanBatch, TimedPlanChange } from './plan-feed.ts';

interface RemovalOrderOptions extends LingerPolicy {
  readonly cluster: string;
  readonly logger: Logger;
  /** What no longer lingers is to go, at the revision that was given last. */
  readonly onRelease: (batch: PlanBatch) => void;
  readonly onEnd: (outcome: LingerOutcome) => void;
  readonly onBadMessage: () => void;
}

/** Undefined for a time limit of 0: everything goes at once, and nobody's acknowledgements are read. */
export function openRemovalOrder(options: RemovalOrderOptions): RemovalOrder | undefined {
  return options.timeLimitMs === 0 ? undefined : new RemovalOrder(options);
}

export class RemovalOrder {
  /** To be followed. */
  readonly feeds: readonly StreamReader[];
  readonly #lingering: LingeringPlans;
  readonly #options: RemovalOrderOptions;
  readonly #dns: LayerAckFeed;
  readonly #lb: LayerAckFeed;
  #revision = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RemovalOrderOptions) {
    this.#options = options;
    this.#lingering = new LingeringPlans(options, (outcome) => this.#noteEnd(outcome));
    const feed = (layer: 'dns' | 'lb') => new LayerAckFeed({ ...options, layer, onChange: () => this.#release() });
    this.#dns = feed('dns');
    this.#lb = feed('lb');
    this.feeds = [this.#dns, this.#lb];
  }

  /** Entries that linger now. */
  get size(): number {
    return this.#lingering.size;
  }

  /** What a batch says → what is to be programmed for it. */
  apply({ changes, revision }: PlanBatch): PlanBatch {
    this.#revision = revision;
    const known = new Map<PlanChange, TimedPlanChange>(changes.map((change) => [change, change]));
    const toProgram = this.#lingering.apply(changes, revision, this.#facts());
    this.#setTimer();
    return { revision, changes: toProgram.map((change) => known.get(change) ?? untimed(change)) };
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #release(): void {
    const due = this.#lingering.release(this.#facts());
    // Others may have waited for nobody but those who were given up just now.
    const changes = [...due, ...this.#lingering.release(this.#facts())].map(untimed);
    this.#setTimer();
    if (changes.length > 0) this.#options.onRelease({ changes, revision: this.#revision });
  }

  /** Who is dead costs one time limit, and not one for each address that goes. */
  #noteEnd(outcome: LingerOutcome): void {
    if (outcome.end === 'time-limit') for (const feed of [this.#dns, this.#lb]) feed.giveUp(outcome.revision);
    this.#options.onEnd(outcome);
  }

  #facts() {
    return { nowMs: performance.now(), acknowledged: { dns: this.#dns.revision, lb: this.#lb.revision } };
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const { nextDeadlineMs } = this.#lingering;
    if (nextDeadlineMs === undefined) return;
    this.#timer = setTimeout(() => this.#release(), Math.max(1, Math.ceil(nextDeadlineMs - performance.now())));
  }
}

/** Nobody's change caused it, so nobody's change is late. */
function untimed(change: PlanChange): TimedPlanChange {
  return { ...change, changedAtMs: undefined };
}
