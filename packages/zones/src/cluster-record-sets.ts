/**
 * The record sets of every cluster, and of intents. They may arrive before their cluster is known to be synced: they are
 * kept, and shown once it has a zone.
 */
import { INTENT_CLUSTER, type RecordSet, type ServiceKey } from '@signalbox/contracts';
import { NO_ZONE, type PlacedRecords } from './placed-records.ts';

interface ClusterEntry {
  readonly recordSets: Map<string, RecordSet>;
  /** Zone of the cluster's domain while its records are shown. */
  zone: string | undefined;
}

export class ClusterRecordSets {
  readonly #clusters = new Map<string, ClusterEntry>();
  readonly #records: PlacedRecords;

  constructor(records: PlacedRecords) {
    this.#records = records;
  }

  /** Returns the one that it replaces. */
  set(recordSet: RecordSet): RecordSet | undefined {
    const entry = this.#entry(recordSet.cluster);
    const known = entry.recordSets.get(idOf(recordSet));
    entry.recordSets.set(idOf(recordSet), recordSet);
    this.#records.replace(entry.zone, known, recordSet);
    return known;
  }

  /** Returns what was there. */
  delete(key: ServiceKey): RecordSet | undefined {
    const entry = this.#clusters.get(key.cluster);
    const known = entry?.recordSets.get(idOf(key));
    if (entry === undefined || known === undefined) return undefined;
    entry.recordSets.delete(idOf(key));
    this.#records.replace(entry.zone, known, undefined);
    return known;
  }

  /** Which clusters show their records, and in which zone; all others show none. */
  show(zones: ReadonlyMap<string, string>): void {
    for (const name of new Set([...this.#clusters.keys(), ...zones.keys()])) this.#show(name, zones.get(name));
  }

  /** Clusters that have record sets here, shown or not. */
  clusterNames(): string[] {
    const holding = [...this.#clusters].filter(([, entry]) => entry.recordSets.size > 0);
    return holding.map(([name]) => name).filter((name) => name !== INTENT_CLUSTER);
  }

  /** Every Service that has a record set here, shown or not. */
  keys(): ServiceKey[] {
    return [...this.#clusters.values()].flatMap((entry) => [...entry.recordSets.values()]);
  }

  /** Takes all of a cluster's records out of the zones, or puts them in, when its zone changed. */
  #show(name: string, zone: string | undefined): void {
    const entry = this.#entry(name);
    if (entry.zone === zone || name === INTENT_CLUSTER) return;
    for (const recordSet of entry.recordSets.values()) this.#records.replace(entry.zone, recordSet, undefined);
    entry.zone = zone;
    for (const recordSet of entry.recordSets.values()) this.#records.replace(zone, undefined, recordSet);
    if (entry.recordSets.size === 0 && zone === undefined) this.#clusters.delete(name);
  }

  #entry(name: string): ClusterEntry {
    const zone = name === INTENT_CLUSTER ? NO_ZONE : undefined;
    const entry = this.#clusters.get(name) ?? { recordSets: new Map<string, RecordSet>(), zone };
    this.#clusters.set(name, entry);
    return entry;
  }
}

function idOf({ namespace, name }: Pick<ServiceKey, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}
