/** A node whose services come and go, with a clock and consumers that a test moves by hand. */
import { type ProxyPlan, serviceKeyText } from '@signalbox/contracts';
import {
  type AcknowledgedRevisions,
  LingeringPlans,
  type LingerOutcome,
  type LingerPolicy,
  type NodePlan,
  type PlanChange,
} from '@signalbox/rules';
import { changesBetween } from '../packets/plan-arbitraries.ts';

const NOBODY: AcknowledgedRevisions = { dns: Number.POSITIVE_INFINITY, lb: Number.POSITIVE_INFINITY };

export class SimulatedRemovals {
  readonly ends: Record<LingerOutcome['end'], number> = { acknowledged: 0, 'time-limit': 0, taken: 0, 'no-room': 0 };
  readonly #lingering: LingeringPlans;
  readonly #programmed = new Map<string, NodePlan>();
  #current: readonly ProxyPlan[] = [];
  #acknowledged = NOBODY;
  #revision = 0;
  #nowMs = 0;

  constructor(policy: Partial<LingerPolicy> = {}) {
    this.#lingering = new LingeringPlans({ timeLimitMs: 30_000, ttlMs: 0, ...policy }, ({ end, entries }) => {
      this.ends[end] += entries;
    });
  }

  get revision(): number {
    return this.#revision;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get acknowledged(): AcknowledgedRevisions {
    return this.#acknowledged;
  }

  get size(): number {
    return this.#lingering.size;
  }

  get nextDeadlineMs(): number | undefined {
    return this.#lingering.nextDeadlineMs;
  }

  get current(): readonly ProxyPlan[] {
    return this.#current;
  }

  get programmed(): NodePlan[] {
    return [...this.#programmed.values()];
  }

  get lingeringPlans(): NodePlan[] {
    return this.programmed.filter(({ lingeringEntries }) => lingeringEntries !== undefined);
  }

  /** What lingers, sorted. */
  get entries(): string[] {
    return this.lingeringPlans.flatMap(({ lingeringEntries = [] }) => lingeringEntries).sort();
  }

  /** The next revision: these services and no others. Gives what was programmed for it. */
  have(...plans: readonly ProxyPlan[]): PlanChange[] {
    const changes = changesBetween(this.#current, plans);
    this.#current = plans;
    this.#revision += 1;
    const facts = { nowMs: this.#nowMs, acknowledged: this.#acknowledged };
    return this.#program(this.#lingering.apply(changes, this.#revision, facts));
  }

  /** Of a layer that is not named the consumers stay where they are. */
  acknowledge(revisions: Partial<AcknowledgedRevisions>): PlanChange[] {
    this.#acknowledged = { ...this.#acknowledged, ...revisions };
    return this.#release();
  }

  advance(milliseconds: number): PlanChange[] {
    this.#nowMs += milliseconds;
    return this.#release();
  }

  #release(): PlanChange[] {
    return this.#program(this.#lingering.release({ nowMs: this.#nowMs, acknowledged: this.#acknowledged }));
  }

  #program(changes: PlanChange[]): PlanChange[] {
    for (const { key, plan } of changes) {
      if (plan === undefined) this.#programmed.delete(serviceKeyText(key));
      else this.#programmed.set(serviceKeyText(key), plan);
    }
    return changes;
  }
}
