/** Clusters from manifests and intents from a backup, joined into service views without an event log. */
import type { Readable } from 'node:stream';
import { domainOf, type SourceFlags } from '@signalbox/api-watcher';
import {
  INTENT_CLUSTER,
  type LogObject,
  type NodeObject,
  objectSubject,
  type ServiceView,
  SignalboxError,
  SOURCE_KINDS,
} from '@signalbox/contracts';
import { ServiceIndex } from '@signalbox/kit';
import { problemText, readManifests } from '@signalbox/kube';
import { type OfflineIntents, readOfflineIntents } from './offline-intents.ts';

export interface OfflineCluster {
  readonly name: string;
  readonly domain: string;
  /** Sorted by namespace and name. */
  readonly views: readonly ServiceView[];
  readonly nodes: readonly NodeObject[];
}

export interface OfflinePlane {
  readonly clusters: readonly OfflineCluster[];
  /** The join that the views are from; it has the intents too. */
  readonly index: ServiceIndex;
  /** Where the intents are from; undefined: there are none. */
  readonly intentsFile: string | undefined;
  /** What had to be left out, for people. */
  readonly problems: string[];
}

export interface OfflineInputs {
  readonly flags: SourceFlags;
  /** The cluster that is asked about. */
  readonly cluster?: string | undefined;
  /** A backup of intents. */
  readonly intents?: string | undefined;
  readonly stdin: Readable;
}

/**
 * Only the cluster that is asked about; with intents all, because a name may follow Services of several. Throws `invalid`
 * when it is not clear which cluster is meant, or a path cannot be read.
 */
export async function readOfflinePlane({ flags, cluster, intents, stdin }: OfflineInputs): Promise<OfflinePlane> {
  const known = flags.requests.filter((request) => request.type === 'manifests');
  if (known.length === 0) throw new SignalboxError('invalid', 'name the manifests: --manifests NAME=PATH');
  const requests = intents === undefined ? [choose(known, (request) => request.cluster, cluster)] : known;
  const { objects, problems }: OfflineIntents =
    intents === undefined ? { objects: [], problems: [] } : await readOfflineIntents(intents);
  const joined = new Join();
  for (const object of objects) joined.add(INTENT_CLUSTER, object);
  const read: Omit<OfflineCluster, 'views'>[] = [];
  const all = [...problems];
  for (const { cluster: name, path } of requests) {
    const manifests = await readManifests(path, { stdin });
    const domain = domainOf(name, flags.requests.length, flags.domains);
    const own = manifests.objects.map(({ object }) => object);
    joined.add(name, clusterObject(name, domain));
    for (const object of own) joined.add(name, object);
    read.push({ name, domain, nodes: own.filter((object) => object.kind === 'Node') });
    all.push(...manifests.problems.map(problemText));
  }
  const { index } = joined;
  const clusters = read.map((one) => ({ ...one, views: viewsOf(index, one.name) }));
  return { clusters, index, intentsFile: intents, problems: all };
}

/** Throws when it is not clear which one is meant. */
export function chosenCluster({ clusters }: OfflinePlane, wanted: string | undefined): OfflineCluster {
  return choose(clusters, ({ name }) => name, wanted);
}

function choose<Item>(items: readonly Item[], nameOf: (item: Item) => string, wanted: string | undefined): Item {
  const chosen = items.filter((item) => wanted === undefined || nameOf(item) === wanted);
  const names = items.map(nameOf).join(', ');
  const [first] = chosen;
  if (first === undefined) throw new SignalboxError('not_found', `no cluster "${wanted}": there is ${names}`);
  if (chosen.length === 1) return first;
  throw new SignalboxError('invalid', `choose one of the clusters ${names} with --cluster`);
}

/** Numbers what it is given, as the log would. */
class Join {
  readonly index = new ServiceIndex();
  #sequence = 0;

  add(cluster: string, object: LogObject): void {
    const value = { cluster, resourceVersion: '', changedAtMs: 0, object };
    this.#sequence += 1;
    this.index.apply({ subject: objectSubject(cluster, object), sequence: this.#sequence, storedAtMs: 0, value });
  }
}

function clusterObject(name: string, domain: string): LogObject {
  return { kind: 'Cluster', metadata: { name }, domain, source: 'manifests', syncedKinds: [...SOURCE_KINDS] };
}

function viewsOf(index: ServiceIndex, cluster: string): ServiceView[] {
  return [...index.servicesOf(cluster)]
    .flatMap((key) => index.view(key, { withNodes: true }) ?? [])
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function sortKey({ service }: ServiceView): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}
