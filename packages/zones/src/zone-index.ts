/**
 * Every zone of every cluster in memory, changed in place: a new record set costs as much as it holds, whatever else
 * there is.
 *
 * Record sets may arrive before their cluster is known to be synced; `setClusters` says which clusters are, and only
 * their records are served. Several clusters share the reverse zones. Two that claim one domain cannot both be right:
 * the first by name has it, the other's records are left out and `rejectedClusters` tells of it.
 *
 * Record sets of intents make extra zones, and records in them; so may those of Services (their public names). A zone at or
 * below a cluster's domain is left out, and `rejectedZones` tells of it. A record outside its own cluster's domain is
 * served only if the zone with the longest matching name is an extra one: no intent changes what a cluster says of itself.
 */
import type { DnsRecord, RecordSet, ServiceKey } from '@signalbox/contracts';
import { type Answer, answerQuestion, groupOf, type Question, type ServedZone } from './answer-question.ts';
import { apexRecords, serialOf, type Zone, type ZoneSettings } from './assemble-zones.ts';
import { ClusterRecordSets } from './cluster-record-sets.ts';
import { NameTree } from './name-tree.ts';
import { isBelowOrEqual, parentOf } from './names.ts';
import { NamespacesAndPods, type PodKey } from './namespaces-and-pods.ts';
import { PlacedRecords } from './placed-records.ts';
import { podNameGroups } from './pod-names.ts';
import {
  canonicalRecord,
  groupsOfName,
  mergeRecords,
  type RecordGroup,
  recordData,
  recordsByName,
  withoutChoices,
} from './records.ts';
import { claimDomains, haveSame, type IndexedCluster, zonesOf } from './served-zones.ts';
import { NameVersions } from './wire/name-versions.ts';

interface ZoneStatus extends ServedZone {
  readonly serial: number;
  /** Records of Services; the apex is not counted. */
  readonly recordCount: number;
}

interface NameChangeInZone {
  readonly name: string;
  readonly zone: string | undefined;
  readonly before: readonly RecordGroup[];
}

/** What a zone says of another that it holds (RFC 1034 §4.2.1). */
const DELEGATION_TYPES: ReadonlySet<string> = new Set(['NS', 'A', 'AAAA']);

export class ZoneIndex {
  readonly #settings: ZoneSettings;
  /** Of every name that an answer can be made from. */
  readonly versions = new NameVersions();
  readonly #tree = new NameTree((name) => this.versions.bump(name));
  #zones = new Map<string, ServedZone>();
  /** Zone → cluster, of forward zones. */
  #owners: ReadonlyMap<string, string> = new Map();
  readonly #known = new NamespacesAndPods();
  readonly #records = new PlacedRecords(this.#tree, (name) => this.#zoneOf(name));
  readonly #recordSets = new ClusterRecordSets(this.#records);
  #serial = serialOf(0);
  #rejected: readonly string[] = [];
  #epoch = 0;
  readonly #extraZones = new Map<string, { readonly ttlSeconds?: number | undefined }>();
  #rejectedZones: readonly string[] = [];

  constructor(settings: ZoneSettings) {
    this.#settings = settings;
  }

  upsert(recordSet: RecordSet): void {
    const records = recordSet.records.flatMap((record) => canonicalRecord(record) ?? []);
    const known = this.#recordSets.set({ ...recordSet, records });
    if (known?.zone !== undefined) this.#extraZones.delete(known.zone.name);
    if (recordSet.zone !== undefined) this.#extraZones.set(recordSet.zone.name, recordSet.zone);
  }

  remove(key: ServiceKey): void {
    const known = this.#recordSets.delete(key);
    if (known?.zone !== undefined) this.#extraZones.delete(known.zone.name);
  }

  /** Which clusters there are, and the revision that the record sets given so far make up. */
  setClusters(clusters: readonly IndexedCluster[], revision: number): void {
    const { owners, rejected } = claimDomains(clusters);
    this.#rejected = rejected;
    const synced = [...owners].filter(([, owner]) => owner.isSynced);
    this.#recordSets.show(new Map(synced.map(([zone, { name }]) => [name, zone])));
    this.#serial = serialOf(revision);
    this.#owners = new Map([...owners].map(([zone, { name }]) => [zone, name]));
    const zones = zonesOf(owners, [...this.#extraZones.keys()]);
    this.#rejectedZones = [...this.#extraZones.keys()].filter((name) => zones.get(name)?.isExtra !== true);
    this.#setZones(zones);
  }

  /** Names of clusters whose domain is no domain name, or belongs to another cluster. */
  get rejectedClusters(): readonly string[] {
    return this.#rejected;
  }

  /** Zones of intents that lie in a cluster's. */
  get rejectedZones(): readonly string[] {
    return this.#rejectedZones;
  }

  /** False until a cluster is known: until then nobody can tell which names are ours. */
  get hasZones(): boolean {
    return this.#zones.size > 0;
  }

  /** Clusters that have record sets here, served or not. */
  clusterNames(): string[] {
    return this.#recordSets.clusterNames();
  }

  /** Every Service that has a record set here, served or not. */
  keys(): ServiceKey[] {
    return this.#recordSets.keys();
  }

  /** Changes when a zone comes, goes, or can be answered from no more; with names unchanged, answers may be others then. */
  get epoch(): number {
    return this.#epoch;
  }

  serialOf(_zone: string): number {
    return this.#serial;
  }

  /** The zone that a name is in. */
  zoneNameOf(name: string): string | undefined {
    return this.#zoneOf(name)?.name;
  }

  answer(question: Question): Answer {
    return this.answerWithNames(question).answer;
  }

  /** With the names it was made from: while their versions and the epoch stay, it is the answer but for the serial. */
  answerWithNames(question: Question): { answer: Answer; names: string[] } {
    const names: string[] = [];
    const groups = (name: string) => {
      names.push(name);
      return this.#tree.groups(name) ?? this.#podName(name, names);
    };
    const soa = (zone: string) => groupOf(this.#tree.groups(zone), 'SOA');
    return { answer: answerQuestion({ zoneOf: (name) => this.#zoneOf(name), groups, soa }, question), names };
  }

  /** Namespaces that exist, with Services or without; those that have some need not be told. */
  setNamespace(cluster: string, namespace: string, exists: boolean): void {
    if (!this.#known.setNamespace(cluster, namespace, exists)) return;
    for (const [zone, owner] of this.#owners) if (owner === cluster) this.versions.bump(`${namespace}.svc.${zone}`);
  }

  /** Cluster and name of every namespace that was told. */
  namespaces(): { cluster: string; namespace: string }[] {
    return this.#known.namespaces();
  }

  /** The label that a Pod's name has (`podLabel`); undefined: none, or the Pod is gone. */
  setPod(cluster: string, pod: PodKey, label: string | undefined): void {
    const { labels, isFirstOrLast } = this.#known.setPod(cluster, pod, label);
    if (isFirstOrLast) this.#epoch += 1;
    for (const [zone, owner] of this.#owners) {
      if (owner === cluster) for (const one of labels) this.versions.bump(`${one}.${pod.namespace}.pod.${zone}`);
    }
  }

  /** Every Pod that has a label. */
  pods(): (PodKey & { cluster: string; label: string })[] {
    return this.#known.pods();
  }

  /**
   * Whose records an answer's record is made of: `cluster/namespace/name`, or `apex of ZONE`. A record that no owner has
   * as it is (an address behind a port) is everybody's who has records at its name.
   */
  originsOf(record: DnsRecord): string[] {
    const owners = this.#tree.contributions(record.name);
    const has = (own: DnsRecord) => own.type === record.type && recordData(own) === recordData(record);
    const exact = owners.filter(({ records }) => records.some(has));
    return (exact.length > 0 ? exact : owners).map(({ owner }) => owner);
  }

  zones(): ZoneStatus[] {
    return [...this.#zones.values()].map((zone) => ({
      ...zone,
      serial: this.#serial,
      recordCount: this.#records.countIn(zone.name),
    }));
  }

  /** The whole zone, SOA first, else in no order; undefined unless it is complete. */
  zoneGroups(zoneName: string): RecordGroup[] | undefined {
    if (this.#zones.get(zoneName)?.state !== 'complete') return undefined;
    const apex = this.#tree.groups(zoneName) ?? [];
    const isInZone = (name: string) => isBelowOrEqual(name, zoneName) && this.#zoneOf(name)?.name === zoneName;
    const names = [...this.#tree.names()].filter((name) => name !== zoneName && isInZone(name));
    const own = [...apex, ...names.flatMap((name) => this.#tree.groups(name) ?? [])].map(withoutChoices);
    return [...own, ...this.#delegations(zoneName)];
  }

  /** Of the zones served here that lie in this one: without these a secondary would deny all names in them. */
  #delegations(zoneName: string): RecordGroup[] {
    const inside = [...this.#zones.keys()].filter((name) => this.#zoneOf(parentOf(name) ?? '.')?.name === zoneName);
    return inside.flatMap((name) => {
      const records = apexRecords(name, this.#serial, this.#settings).filter(({ type }) => DELEGATION_TYPES.has(type));
      return [...recordsByName(records).values()].flatMap(groupsOfName);
    });
  }

  /** The whole zone in canonical order; undefined unless it is complete. */
  zone(zoneName: string): Zone | undefined {
    const groups = this.zoneGroups(zoneName);
    return groups && { name: zoneName, serial: this.#serial, records: mergeRecords(groups.flat()) };
  }

  /** What a name has; empty when there is no such name, or nothing there. */
  groupsAt(name: string): readonly RecordGroup[] {
    return (this.#tree.groups(name) ?? []).map(withoutChoices);
  }

  /**
   * Names changed since the last call, each with the zone it is in now and what it had before. Changes are kept for this
   * from the first call on, so whoever begins to call must go on.
   */
  takeChanges(): NameChangeInZone[] {
    return [...this.#tree.takeChanges()].map(([name, before]) => ({
      name,
      before: before.map(withoutChoices),
      zone: this.#zoneOf(name)?.name,
    }));
  }

  /** `names` gets what the answer depends on. */
  #podName(name: string, names: string[]): readonly RecordGroup[] | undefined {
    const zone = this.#zoneOf(name)?.name ?? '';
    const cluster = this.#owners.get(zone);
    if (cluster === undefined || name === zone) return undefined;
    const { pods = 'insecure', ttlSeconds } = this.#settings;
    const groups = (other: string) => {
      names.push(other);
      return this.#tree.groups(other);
    };
    const hasNamespace = (namespace: string) =>
      groups(`${namespace}.svc.${zone}`) !== undefined || this.#known.hasNamespace(cluster, namespace);
    const hasPod = (namespace: string, label: string) => this.#known.hasPod(cluster, namespace, label);
    return podNameGroups({ mode: pods, ttlSeconds, hasNamespace, hasPod, groups }, name, zone);
  }

  #setZones(zones: Map<string, ServedZone>): void {
    const isSame = haveSame(zones, this.#zones, ({ isExtra = false }) => isExtra);
    if (!isSame || !haveSame(zones, this.#zones, ({ state }) => state)) this.#epoch += 1;
    for (const name of this.#zones.keys()) if (!zones.has(name)) this.#putApex(name, []);
    const setZones = (): void => {
      this.#zones = zones;
    };
    if (isSame) setZones();
    else this.#records.rezone(setZones);
    for (const zone of zones.values())
      this.#putApex(zone.name, apexRecords(zone.name, this.#serial, this.#settingsOf(zone)));
  }

  #settingsOf({ name, isExtra }: ServedZone): ZoneSettings {
    if (isExtra !== true) return this.#settings;
    const ttlSeconds = this.#extraZones.get(name)?.ttlSeconds ?? this.#settings.ttlSeconds;
    return { ...this.#settings, ttlSeconds, isExtra };
  }

  #putApex(zone: string, records: readonly DnsRecord[]): void {
    const byName = recordsByName(records);
    for (const name of [zone, `ns.dns.${zone}`, `dns-version.${zone}`]) {
      this.#tree.put(`apex of ${zone}`, name, byName.get(name) ?? []);
    }
  }

  #zoneOf(name: string): ServedZone | undefined {
    for (let above: string | undefined = name; above !== undefined; above = parentOf(above)) {
      const zone = this.#zones.get(above);
      if (zone !== undefined) return zone;
    }
    return undefined;
  }
}
