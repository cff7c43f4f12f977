/** One cluster from manifests, joined into service views without an event log. */
import type { Readable } from 'node:stream';
import { domainOf, type SourceFlags } from '@signalbox/api-watcher';
import {
  type LogObject,
  type NodeObject,
  objectSubject,
  type ServiceView,
  SignalboxError,
  SOURCE_KINDS,
} from '@signalbox/contracts';
import { ServiceIndex } from '@signalbox/kit';
import { problemText, readManifests } from '@signalbox/kube';

export interface OfflineCluster {
  readonly name: string;
  readonly domain: string;
  /** Sorted by namespace and name. */
  readonly views: readonly ServiceView[];
  readonly nodes: readonly NodeObject[];
  /** What had to be left out, for people. */
  readonly problems: string[];
}

/** Throws `invalid` when it is not clear which cluster is meant, or its path cannot be read. */
export async function readOfflineCluster(
  flags: SourceFlags,
  wanted: string | undefined,
  stdin: Readable,
): Promise<OfflineCluster> {
  const request = chosenRequest(flags, wanted);
  const { objects, problems } = await readManifests(request.path, { stdin });
  const domain = domainOf(request.cluster, flags.requests.length, flags.domains);
  const kubernetesObjects = objects.map(({ object }) => object);
  return {
    name: request.cluster,
    domain,
    views: viewsOf(request.cluster, domain, kubernetesObjects),
    nodes: kubernetesObjects.filter((object) => object.kind === 'Node'),
    problems: problems.map(problemText),
  };
}

function chosenRequest(flags: SourceFlags, wanted: string | undefined): { cluster: string; path: string } {
  const requests = flags.requests.filter((request) => request.type === 'manifests');
  const names = requests.map(({ cluster }) => cluster);
  const chosen = requests.filter(({ cluster }) => wanted === undefined || cluster === wanted);
  const [first] = chosen;
  if (first !== undefined && chosen.length === 1) return first;
  if (names.length === 0) throw new SignalboxError('invalid', 'name the manifests: --manifests NAME=PATH');
  if (first === undefined)
    throw new SignalboxError('not_found', `no cluster "${wanted}": there is ${names.join(', ')}`);
  throw new SignalboxError('invalid', `choose one of the clusters ${names.join(', ')} with --cluster`);
}

function viewsOf(cluster: string, domain: string, objects: readonly LogObject[]): ServiceView[] {
  const index = new ServiceIndex();
  const own: LogObject = {
    kind: 'Cluster',
    metadata: { name: cluster },
    domain,
    source: 'manifests',
    syncedKinds: [...SOURCE_KINDS],
  };
  for (const [position, object] of [own, ...objects].entries()) {
    const value = { cluster, resourceVersion: '', changedAtMs: 0, object };
    index.apply({ subject: objectSubject(cluster, object), sequence: position + 1, storedAtMs: 0, value });
  }
  return [...index.servicesOf(cluster)]
    .flatMap((key) => index.view(key, { withNodes: true }) ?? [])
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function sortKey({ service }: ServiceView): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}
