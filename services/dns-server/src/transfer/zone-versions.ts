/**
 * What may be given to secondaries: each complete zone as it is at one revision, and how it came there.
 *
 * A serial means the same records at every server, else a delta would lead a secondary astray. So nothing is given away
 * while the zones are on their way from one revision to another, and no delta starts from
 * - the state found at start: the same revision may have been served with other settings before;
 * - a state that had records beyond its revision.
 */
import type { DnsRecord } from '@signalbox/contracts';
import {
  combineDeltas,
  diffGroups,
  EMPTY_DELTA,
  type HistoryLimits,
  isEmptyDelta,
  type ZoneDelta,
  ZoneHistory,
  type ZoneIndex,
} from '@signalbox/zones';

type SoaRecord = Extract<DnsRecord, { type: 'SOA' }>;

export interface ZoneVersion {
  readonly name: string;
  readonly soa: SoaRecord;
  /** Of Services, so without those of the apex. */
  readonly recordCount: number;
  /** All but the SOA. Costs a walk over all names. */
  readonly others: () => DnsRecord[];
  /** From that serial to this version; undefined when the way is not known. */
  readonly since: (serial: number) => ZoneDelta | undefined;
}

interface ZoneState {
  readonly history: ZoneHistory;
  serial: number;
}

interface ZoneStep {
  readonly name: string;
  readonly serial: number;
  readonly zoneCount: number;
}

/** The zones that are not what they were, other serials aside. */
export type ZonesListener = (zoneNames: readonly string[]) => void;

/** Serials of each zone, bytes of all zones together. */
const DEFAULT_LIMITS: HistoryLimits = { maxSerials: 10_000, maxBytes: 64 * 1024 * 1024 };

export class ZoneVersions {
  readonly #index: ZoneIndex;
  readonly #limits: HistoryLimits;
  readonly #zones = new Map<string, ZoneState>();
  readonly #listeners: ZonesListener[] = [];
  /** Changed since listeners were told. */
  readonly #unannounced = new Set<string>();
  #zoneNames = '';
  #isExact = false;

  constructor(index: ZoneIndex, limits: HistoryLimits = DEFAULT_LIMITS) {
    this.#index = index;
    this.#limits = limits;
  }

  /** Estimated, of all deltas of all zones. */
  get historyBytes(): number {
    return [...this.#zones.values()].reduce((total, { history }) => total + history.bytes, 0);
  }

  onChange(listener: ZonesListener): void {
    this.#listeners.push(listener);
  }

  /** To be called after each change of what is served. */
  advance({ isExact }: { readonly isExact: boolean }): void {
    const deltas = this.#takeDeltas();
    const zones = this.#index.zones();
    const names = zones.map(({ name }) => name).join();
    // Names may have moved from one zone to another.
    if (names !== this.#zoneNames) this.#zones.clear();
    this.#zoneNames = names;
    this.#isExact = isExact;
    for (const { name, state, serial } of zones) {
      const delta = deltas.get(name) ?? EMPTY_DELTA;
      if (state !== 'complete') this.#zones.delete(name);
      else if (this.#advanceZone({ name, serial, zoneCount: zones.length }, delta)) this.#unannounced.add(name);
    }
    if (isExact) this.#announce();
  }

  /** Undefined when there is no such zone, or nothing exact is known of it. */
  version(zoneName: string): ZoneVersion | undefined {
    const known = this.#zones.get(zoneName);
    const status = this.#index.zones().find(({ name }) => name === zoneName);
    const [[soa] = []] = this.#index.groupsAt(zoneName);
    if (!this.#isExact || known === undefined || soa?.type !== 'SOA') return undefined;
    if (status?.state !== 'complete' || status.serial !== known.serial) return undefined;
    return {
      name: zoneName,
      soa,
      recordCount: status.recordCount,
      others: () => (this.#index.zoneGroups(zoneName) ?? []).flat().filter(({ type }) => type !== 'SOA'),
      since: (serial) => known.history.since(serial),
    };
  }

  #announce(): void {
    const changed = [...this.#unannounced].filter((name) => this.#zones.has(name));
    this.#unannounced.clear();
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }

  #advanceZone({ name, serial, zoneCount }: ZoneStep, delta: ZoneDelta): boolean {
    const known = this.#zones.get(name);
    if (known === undefined) {
      const { maxSerials, maxBytes } = this.#limits;
      const history = new ZoneHistory({ maxSerials, maxBytes: Math.floor(maxBytes / zoneCount) });
      this.#zones.set(name, { history, serial });
      return true;
    }
    known.serial = serial;
    if (this.#isExact) known.history.advance(serial, delta);
    else known.history.forget();
    return !isEmptyDelta(delta);
  }

  #takeDeltas(): Map<string, ZoneDelta> {
    const deltas = new Map<string, ZoneDelta[]>();
    for (const { name, zone, before } of this.#index.takeChanges()) {
      if (zone === undefined) continue;
      const delta = diffGroups(before, this.#index.groupsAt(name));
      const known = deltas.get(zone);
      if (known === undefined) deltas.set(zone, [delta]);
      else known.push(delta);
    }
    return new Map([...deltas].map(([zone, own]) => [zone, combineDeltas(own)]));
  }
}
