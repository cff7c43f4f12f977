/**
 * The join: objects from the log, in any order, become service views; and each change says which views it touched.
 *
 * Pure state, no I/O. What the index holds depends only on the last message of each subject, never on the order in which
 * subjects were seen or on repeats: that is what lets a worker replay a compacted log and end in the same state.
 */

import {
  type ClusterObject,
  type DnsZoneObject,
  type EndpointSliceObject,
  INTENT_CLUSTER,
  type IntentKind,
  type IntentObject,
  isIntentKind,
  type LoadBalancerAddressObject,
  type LogObject,
  type NodeObject,
  type ObjectMessage,
  parseObjectSubject,
  type ServiceKey,
  type ServiceObject,
  type ServiceView,
  type SourceKind,
  serviceKeyText,
  serviceNameOfSlice,
} from '@signalbox/contracts';
import { AddressIndex } from './address-index.ts';
import { type ChangeMark, NEVER } from './change-mark.ts';
import { type DirtySet, emptyDirtySet } from './dirty-set.ts';
import { IntentIndex, intentKey, isFollowed } from './intent-index.ts';
import { type ClusterEntry, JoinedClusters, type ServiceEntry } from './joined-clusters.ts';
import { LoadBalancerPolicies } from './load-balancer-policies.ts';

/** One object message; `value` is undefined for a tombstone. */
export interface IndexInput {
  readonly subject: string;
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly value: ObjectMessage | undefined;
  readonly traceparent?: string | undefined;
}

/** Annotations under these give Services public names, which zones decide on. */
const PUBLIC_NAME_PREFIX = 'external-dns.alpha.kubernetes.io/';

const NO_NODES: readonly NodeObject[] = [];

export class ServiceIndex {
  readonly #clusters = new JoinedClusters();
  /** A slice's tombstone does not name its Service, and a slice may move to another: this remembers. */
  readonly #serviceOfSlice = new Map<string, ServiceKey>();
  readonly #intents = new IntentIndex();
  readonly #addresses = new AddressIndex();
  readonly #policies = new LoadBalancerPolicies();
  #dirty = emptyDirtySet();
  #revision = 0;

  /** Of the newest object that was applied. */
  get revision(): number {
    return this.#revision;
  }

  apply(input: IndexInput): void {
    this.#revision = Math.max(this.#revision, input.sequence);
    const key = parseObjectSubject(input.subject);
    const object = input.value?.object;
    switch (key.kind) {
      case 'Cluster':
        this.#applyCluster(key.name, object?.kind === 'Cluster' ? object : undefined, markOf(input));
        break;
      case 'Node':
        this.#applyNode(key.cluster, key.name, object?.kind === 'Node' ? object : undefined, markOf(input));
        break;
      case 'Service':
        this.#applyService(key, object?.kind === 'Service' ? object : undefined, markOf(input));
        break;
      case 'EndpointSlice':
        this.#applySlice(input.subject, object?.kind === 'EndpointSlice' ? object : undefined, key, markOf(input));
        break;
      case 'Namespace':
      case 'Pod':
      case 'LoadBalancerConfirmation':
      case 'ApiToken':
        break;
      case 'LoadBalancerPolicy':
        this.#applyPolicy(key.name, object, markOf(input));
        break;
      case 'LoadBalancerAddress':
        this.#applyAddress(key.name, object?.kind === 'LoadBalancerAddress' ? object : undefined, markOf(input));
        break;
      case 'DnsZone':
      case 'DnsRecords':
      case 'DnsAlias':
        this.#applyIntent(key.kind, key.name, object, markOf(input));
        break;
    }
  }

  /** Forgets everything, before a replay. */
  clear(): void {
    this.#clusters.clear();
    this.#serviceOfSlice.clear();
    this.#intents.clear();
    this.#addresses.clear();
    this.#policies.clear();
    this.#dirty = emptyDirtySet();
    this.#revision = 0;
  }

  /** Of a key that an intent has (`intentKey`). */
  intent(key: ServiceKey): { readonly object: IntentObject; readonly zones: readonly DnsZoneObject[] } | undefined {
    const object = key.cluster === INTENT_CLUSTER ? this.#intents.get(key)?.object : undefined;
    return object && { object, zones: this.#intents.zones() };
  }

  intentKeys(): ServiceKey[] {
    return this.#intents.keys();
  }

  /** What changed since the last call. */
  takeDirty(): DirtySet {
    const taken = this.#dirty;
    this.#dirty = emptyDirtySet();
    return taken;
  }

  hasCluster(name: string): boolean {
    return this.#clusters.get(name)?.cluster !== undefined;
  }

  /** Clusters that have synced all of these kinds, with their DNS domain, sorted by name. */
  syncedClusters(kinds: readonly SourceKind[]): { name: string; domain: string }[] {
    return this.#clusters
      .all()
      .flatMap(({ cluster }) => (cluster === undefined || !hasSynced(cluster, kinds) ? [] : [cluster]))
      .map((cluster) => ({ name: cluster.metadata.name, domain: cluster.domain }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  isSynced(cluster: string, kinds: readonly SourceKind[]): boolean {
    const object = this.#clusters.get(cluster)?.cluster;
    return object !== undefined && hasSynced(object, kinds);
  }

  servicesOf(cluster: string): Iterable<ServiceKey> {
    const services = this.#clusters.get(cluster)?.services.values() ?? [];
    return [...services].map((entry) => entry.key);
  }

  clusterNames(): string[] {
    return this.#clusters.names();
  }

  serviceObject(key: ServiceKey): ServiceObject | undefined {
    return this.#clusters.service(key)?.service;
  }

  /** The joined service; undefined when there is no such Service. Nodes only when asked for. */
  view(key: ServiceKey, options: { withNodes: boolean }): ServiceView | undefined {
    const cluster = this.#clusters.get(key.cluster);
    const entry = this.#clusters.service(key);
    if (cluster?.cluster === undefined || entry?.service === undefined) return undefined;
    return {
      cluster: { name: key.cluster, domain: cluster.cluster.domain },
      service: this.#addresses.join(key, entry.service),
      slices: [...entry.slices.values()].sort(byName),
      nodes: options.withNodes ? sortedNodes(cluster) : NO_NODES,
      ...this.#intents.viewOf(key),
      ...this.#policies.viewOf(entry.service),
    };
  }

  /** The newest change that went into the view. */
  mark(key: ServiceKey, options: { withNodes: boolean }): ChangeMark {
    if (key.cluster === INTENT_CLUSTER) return this.#intents.mark(key);
    const cluster = this.#clusters.get(key.cluster);
    const marks = [this.#clusters.service(key)?.mark ?? NEVER, cluster?.mark ?? NEVER];
    if (options.withNodes) marks.push(cluster?.nodesMark ?? NEVER);
    return marks.reduce((newest, mark) => (mark.revision > newest.revision ? mark : newest));
  }

  #applyCluster(name: string, object: ClusterObject | undefined, mark: ChangeMark): void {
    this.#clusters.edit(name, (entry) => {
      entry.cluster = object;
      entry.mark = mark;
    });
    this.#dirty.clusters.add(name);
  }

  #applyNode(cluster: string, name: string, node: NodeObject | undefined, mark: ChangeMark): void {
    this.#clusters.edit(cluster, (entry) => {
      if (node === undefined) entry.nodes.delete(name);
      else entry.nodes.set(name, node);
      entry.sortedNodes = undefined;
      entry.nodesMark = mark;
    });
    this.#dirty.nodes.add(cluster);
  }

  #applyService(key: ServiceKey, service: ServiceObject | undefined, mark: ChangeMark): void {
    this.#change({ cluster: key.cluster, namespace: key.namespace, name: key.name }, mark, (entry) => {
      entry.service = service;
    });
  }

  #applySlice(
    subject: string,
    slice: EndpointSliceObject | undefined,
    place: { cluster: string; namespace: string },
    mark: ChangeMark,
  ): void {
    const before = this.#serviceOfSlice.get(subject);
    const name = slice === undefined ? undefined : serviceNameOfSlice(slice);
    const after = name === undefined ? undefined : { cluster: place.cluster, namespace: place.namespace, name };
    if (before !== undefined && before.name !== after?.name) {
      this.#change(before, mark, (entry) => entry.slices.delete(subject));
      this.#serviceOfSlice.delete(subject);
    }
    if (after === undefined || slice === undefined) return;
    this.#serviceOfSlice.set(subject, after);
    this.#change(after, mark, (entry) => entry.slices.set(subject, slice));
  }

  #applyIntent(kind: IntentKind, name: string, object: LogObject | undefined, mark: ChangeMark): void {
    const key = intentKey(kind, name);
    const before = this.#intents.get(key)?.object;
    const after = object !== undefined && isIntentObject(object) ? object : undefined;
    this.#intents.put(key, after, mark);
    const changed = kind === 'DnsZone' ? [key, ...this.#intents.keys()] : [key];
    for (const one of changed) this.#dirty.intents.set(serviceKeyText(one), one);
    this.#touch(kind === 'DnsZone' ? this.#publicServices() : this.#followedBy([before, after]), mark);
  }

  #applyAddress(name: string, object: LoadBalancerAddressObject | undefined, mark: ChangeMark): void {
    const services = this.#addresses.put(name, object);
    this.#touch(
      services.flatMap((key) => this.#clusters.service(key) ?? []),
      mark,
    );
  }

  /** Marks Services as dirty that something beside their own objects changed. */
  #touch(entries: readonly ServiceEntry[], mark: ChangeMark): void {
    for (const entry of entries) {
      entry.mark = mark;
      this.#dirty.services.set(serviceKeyText(entry.key), entry.key);
    }
  }

  #applyPolicy(name: string, object: LogObject | undefined, mark: ChangeMark): void {
    const classes = this.#policies.put(name, object?.kind === 'LoadBalancerPolicy' ? object.spec : undefined);
    const isOfClass = ({ service }: ServiceEntry): boolean =>
      service?.spec.type === 'LoadBalancer' && classes.has(service.spec.loadBalancerClass ?? '');
    this.#touch(this.#clusters.services().filter(isOfClass), mark);
  }

  /** Every Service that may have a public name: which zone it would be in is for the compiler to say, and zones are few. */
  #publicServices(): ServiceEntry[] {
    const isPublic = ({ key, service }: ServiceEntry) =>
      this.#intents.hasAliasesOf(key) ||
      Object.keys(service?.metadata.annotations ?? {}).some((name) => name.startsWith(PUBLIC_NAME_PREFIX));
    return this.#clusters.services().filter(isPublic);
  }

  #followedBy(intents: readonly (IntentObject | undefined)[]): ServiceEntry[] {
    const aliases = intents.flatMap((intent) => (intent?.kind === 'DnsAlias' ? [intent] : []));
    return aliases.flatMap((alias) => {
      const ofClusters = this.#clusters.names().map((cluster) => ({ ...alias.spec.service, cluster }));
      const entries = ofClusters.flatMap((key) => this.#clusters.service(key) ?? []);
      return entries.filter(({ key }) => isFollowed(key, alias));
    });
  }

  #change(key: ServiceKey, mark: ChangeMark, edit: (entry: ServiceEntry) => void): void {
    this.#clusters.editService(key, mark, edit);
    this.#dirty.services.set(serviceKeyText(key), key);
  }
}

function markOf({ sequence, value, storedAtMs, traceparent }: IndexInput): ChangeMark {
  const mark = { revision: sequence, changedAtMs: value?.changedAtMs ?? storedAtMs };
  return traceparent === undefined ? mark : { ...mark, traceparent };
}

function isIntentObject(object: LogObject): object is IntentObject {
  return isIntentKind(object.kind);
}

function hasSynced(cluster: ClusterObject, kinds: readonly SourceKind[]): boolean {
  return kinds.every((kind) => cluster.syncedKinds.includes(kind));
}

function sortedNodes(cluster: ClusterEntry): readonly NodeObject[] {
  cluster.sortedNodes ??= [...cluster.nodes.values()].sort(byName);
  return cluster.sortedNodes;
}

function byName(a: { metadata: { name: string } }, b: { metadata: { name: string } }): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
