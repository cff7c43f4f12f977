/** What services have let go and still lingers, found by service and by entry. */
import { type ProxyPlan, type ServiceKey, serviceKeyText } from '@signalbox/contracts';

/** What one service let go at one time. */
export interface Departure {
  /** Of the plan that stands for it: no service has it. */
  readonly key: ServiceKey;
  /** The service as it was when it still had the entries. */
  readonly left: ProxyPlan;
  readonly revision: number;
  readonly sinceMs: number;
  /** Those that nobody else has taken. */
  readonly entries: Set<string>;
  /** With the endpoints of now. */
  plan: ProxyPlan;
  acknowledgedAtMs: number | undefined;
  /** Whether the plan is programmed. */
  isTold: boolean;
}

export class Departures {
  readonly #all = new Set<Departure>();
  readonly #byService = new Map<string, Set<Departure>>();
  readonly #byEntry = new Map<string, Departure>();

  /** Departures, not entries. */
  get size(): number {
    return this.#all.size;
  }

  get entryCount(): number {
    return this.#byEntry.size;
  }

  /** From the oldest to the newest. */
  all(): Iterable<Departure> {
    return this.#all;
  }

  ofService(service: string): Iterable<Departure> {
    return this.#byService.get(service) ?? [];
  }

  add(departure: Departure): void {
    this.#all.add(departure);
    for (const entry of departure.entries) this.#byEntry.set(entry, departure);
    const service = serviceKeyText(departure.left);
    const others = this.#byService.get(service);
    if (others === undefined) this.#byService.set(service, new Set([departure]));
    else others.add(departure);
  }

  /** Gives the departure that had it, which is gone with its last entry. */
  removeEntry(entry: string): Departure | undefined {
    const departure = this.#byEntry.get(entry);
    if (departure === undefined) return undefined;
    this.#byEntry.delete(entry);
    departure.entries.delete(entry);
    if (departure.entries.size === 0) this.#forget(departure);
    return departure;
  }

  remove(departure: Departure): void {
    for (const entry of departure.entries) this.#byEntry.delete(entry);
    departure.entries.clear();
    this.#forget(departure);
  }

  #forget(departure: Departure): void {
    this.#all.delete(departure);
    const service = serviceKeyText(departure.left);
    const others = this.#byService.get(service);
    others?.delete(departure);
    if (others?.size === 0) this.#byService.delete(service);
  }
}
