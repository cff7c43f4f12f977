/** Which addresses stay in a node's rules after their services have let them go. Pure: time is passed in. */
import { type ProxyPlan, serviceKeyText } from '@signalbox/contracts';
import type { PlanChange } from '../compiled-services.ts';
import { entriesOf } from '../node-plan.ts';
import { type Departure, Departures } from './departures.ts';
import { lingeringPlan, servedPart } from './lingering-plan.ts';

export interface LingerPolicy {
  /** How long acknowledgements are waited for; 0: nothing lingers. */
  readonly timeLimitMs: number;
  /** For how long answers may be in caches once DNS servers have acknowledged. */
  readonly ttlMs: number;
}

/** Revision that all consumers of a layer have; `Infinity`: there are none. */
export interface AcknowledgedRevisions {
  readonly dns: number;
  readonly lb: number;
}

export interface LingerFacts {
  readonly nowMs: number;
  readonly acknowledged: AcknowledgedRevisions;
}

/**
 * acknowledged  nobody leads clients there any more
 * time-limit    somebody has not said so, and was waited for long enough
 * taken         a service has it (again)
 * no-room       too many others came later
 */
export type LingerEnd = 'acknowledged' | 'time-limit' | 'taken' | 'no-room';

export interface LingerOutcome {
  readonly end: LingerEnd;
  readonly entries: number;
  /** With which they left their service. */
  readonly revision: number;
}

/** Bounds memory where services come and go by the thousand; the oldest go first. */
const MAX_DEPARTURES = 10_000;

/**
 * An entry (address and port, or node port) of a service:
 *
 *     in a plan ──(left at revision R)──► waiting ──(all have acknowledged R)──► cached ──(ttlMs)──► gone
 *        ▲                                 │   │                                   │
 *        │                                 │   └──(timeLimitMs)──► gone            │
 *        └──(some service has it)──────────┴───────────────────────────────────────┘
 *
 * Without consumers of the layers `dns` and `lb` nothing lingers, as with kube-proxy; and what nobody serves does not
 * either. Plans are passed through as they come. Beside them there are plans for what lingers, under keys that no service
 * has; they claim behind everybody (see `NodePlan`), so nobody waits for an address because it lingers.
 */
export class LingeringPlans {
  readonly #policy: LingerPolicy;
  readonly #onEnd: (outcome: LingerOutcome) => void;
  readonly #plans = new Map<string, ProxyPlan>();
  readonly #departures = new Departures();
  #count = 0;

  /** `onEnd` is told of entries that have lingered. */
  constructor(policy: LingerPolicy, onEnd: (outcome: LingerOutcome) => void) {
    this.#policy = policy;
    this.#onEnd = onEnd;
  }

  /** Entries that linger now. */
  get size(): number {
    return this.#departures.entryCount;
  }

  /** When there is something for `release`, if nobody acknowledges anything before. */
  get nextDeadlineMs(): number | undefined {
    let nextMs: number | undefined;
    for (const departure of this.#departures.all()) {
      nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, this.#deadlineOf(departure));
    }
    return nextMs;
  }

  /** What changed with a revision → what is to be programmed for it. */
  apply(changes: readonly PlanChange[], revision: number, facts: LingerFacts): PlanChange[] {
    const touched = new Set<Departure>();
    for (const { key, plan } of changes) {
      const service = serviceKeyText(key);
      const before = this.#plans.get(service);
      if (plan === undefined) this.#plans.delete(service);
      else this.#plans.set(service, plan);
      if (plan !== undefined) this.#follow(service, plan, touched);
      if (before !== undefined && this.#mayLinger(facts)) {
        this.#depart(before, plan, { revision, sinceMs: facts.nowMs, touched });
      }
    }
    if (this.#departures.size > 0) {
      for (const { plan } of changes) if (plan !== undefined) this.#take(entriesOf(plan), touched);
    }
    this.#endDue(facts, touched);
    this.#makeRoom(touched);
    return [...changes, ...changesOf(touched)];
  }

  /** What need not linger any more. */
  release(facts: LingerFacts): PlanChange[] {
    const touched = new Set<Departure>();
    this.#endDue(facts, touched);
    return changesOf(touched);
  }

  #mayLinger({ acknowledged: { dns, lb } }: LingerFacts): boolean {
    return this.#policy.timeLimitMs > 0 && (isConsumed(dns) || isConsumed(lb));
  }

  /** Endpoints that are gone, or new, are so for what lingers as well. */
  #follow(service: string, plan: ProxyPlan, touched: Set<Departure>): void {
    for (const departure of this.#departures.ofService(service)) {
      departure.plan = lingeringPlan(departure.left, plan);
      touched.add(departure);
    }
  }

  #depart(left: ProxyPlan, current: ProxyPlan | undefined, { revision, sinceMs, touched }: DepartureFacts): void {
    const kept = current === undefined ? NO_ENTRIES : entriesOf(current);
    const gone = [...entriesOf(left)].filter((entry) => !kept.has(entry));
    if (gone.length === 0) return;
    const plan = lingeringPlan(left, current);
    const served = entriesOf(servedPart(plan));
    const entries = new Set(gone.filter((entry) => served.has(entry)));
    if (entries.size === 0) return;
    // Of services that claimed the same, the last one to let go stands for it.
    this.#take(entries, touched);
    this.#count += 1;
    const { cluster, namespace, name } = left;
    const key = { cluster, namespace, name: `${name}~left-${this.#count}` };
    const departure = { key, left, revision, sinceMs, entries, plan, acknowledgedAtMs: undefined, isTold: false };
    this.#departures.add(departure);
    touched.add(departure);
  }

  #take(entries: ReadonlySet<string>, touched: Set<Departure>): void {
    for (const entry of entries) {
      const departure = this.#departures.removeEntry(entry);
      if (departure === undefined) continue;
      touched.add(departure);
      this.#onEnd({ end: 'taken', entries: 1, revision: departure.revision });
    }
  }

  #endDue(facts: LingerFacts, touched: Set<Departure>): void {
    for (const departure of this.#departures.all()) {
      noteAcknowledged(departure, facts);
      if (facts.nowMs < this.#deadlineOf(departure)) continue;
      this.#end(departure, departure.acknowledgedAtMs === undefined ? 'time-limit' : 'acknowledged');
      touched.add(departure);
    }
  }

  #makeRoom(touched: Set<Departure>): void {
    for (const departure of this.#departures.all()) {
      if (this.#departures.size <= MAX_DEPARTURES) return;
      this.#end(departure, 'no-room');
      touched.add(departure);
    }
  }

  #deadlineOf({ acknowledgedAtMs, sinceMs }: Departure): number {
    const { ttlMs, timeLimitMs } = this.#policy;
    return acknowledgedAtMs === undefined ? sinceMs + timeLimitMs : acknowledgedAtMs + ttlMs;
  }

  #end(departure: Departure, end: LingerEnd): void {
    this.#onEnd({ end, entries: departure.entries.size, revision: departure.revision });
    this.#departures.remove(departure);
  }
}

const NO_ENTRIES: ReadonlySet<string> = new Set();

interface DepartureFacts extends Pick<Departure, 'revision' | 'sinceMs'> {
  readonly touched: Set<Departure>;
}

function isConsumed(revision: number): boolean {
  return revision !== Number.POSITIVE_INFINITY;
}

/** What was acknowledged stays so, whoever comes later. Without DNS servers there are no answers in caches. */
function noteAcknowledged(departure: Departure, { nowMs, acknowledged: { dns, lb } }: LingerFacts): void {
  if (Math.min(dns, lb) < departure.revision) return;
  departure.acknowledgedAtMs ??= isConsumed(dns) ? nowMs : Number.NEGATIVE_INFINITY;
}

/** Nothing of what never was programmed. */
function changesOf(touched: ReadonlySet<Departure>): PlanChange[] {
  return [...touched].flatMap((departure): PlanChange[] => {
    const { key, plan, entries, isTold } = departure;
    departure.isTold = entries.size > 0;
    if (departure.isTold) return [{ key, plan: { ...plan, ...key, lingeringEntries: [...entries] } }];
    return isTold ? [{ key, plan: undefined }] : [];
  });
}
