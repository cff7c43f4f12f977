/** The zones of clusters from manifests, and those that intents make, as the DNS worker and the DNS server have them. */
import type { RecordSet, Skipped } from '@signalbox/contracts';
import { assembleZones, compileIntent, compileRecordSet, type Zone, ZoneIndex } from '@signalbox/zones';
import { intentPlace } from './offline-intents.ts';
import type { OfflineCluster, OfflinePlane } from './offline-plane.ts';

/** Without an event log there are no revisions; as a serial 0 would mean "none". */
const REVISION = 1;

/** What is left out is added to the plane's problems. */
export function compileOfflineRecordSets(plane: OfflinePlane, ttlSeconds: number): RecordSet[] {
  const services = plane.clusters.flatMap(({ views }) => views);
  const ofServices = services.flatMap((view) => {
    const { document, skipped } = compileRecordSet(view, { ttlSeconds });
    plane.problems.push(...skipped.map(problemOf));
    return document ?? [];
  });
  return [...ofServices, ...compileIntents(plane, ttlSeconds)];
}

/** All zones, to ask questions of. */
export function indexOfflineZones(
  plane: OfflinePlane,
  recordSets: readonly RecordSet[],
  ttlSeconds: number,
): ZoneIndex {
  const index = new ZoneIndex({ ttlSeconds });
  for (const recordSet of recordSets) index.upsert(recordSet);
  const clusters = plane.clusters.map(({ name, domain }) => ({ name, domain, isSynced: true }));
  index.setClusters(clusters, REVISION);
  for (const name of index.rejectedClusters) {
    plane.problems.push(`the cluster ${name}: its domain belongs to another cluster, or is no domain name`);
  }
  for (const zone of index.rejectedZones) {
    const place = intentPlace(plane.intentsFile ?? '', {
      kind: 'DnsZone',
      metadata: { name: zone.replace(/\.$/, '') },
    });
    plane.problems.push(`${place}: it lies in the names of a cluster, or of the reverse lookup`);
  }
  return index;
}

/** The zones that intents make. */
export function intentZones(plane: OfflinePlane, recordSets: readonly RecordSet[], ttlSeconds: number): Zone[] {
  if (plane.intentsFile === undefined) return [];
  const index = indexOfflineZones(plane, recordSets, ttlSeconds);
  return index.zones().flatMap(({ name, isExtra }) => (isExtra === true ? (index.zone(name) ?? []) : []));
}

/** Forward and reverse zones of one cluster. */
export function clusterZones(recordSets: readonly RecordSet[], cluster: OfflineCluster, ttlSeconds: number): Zone[] {
  const own = recordSets.filter((recordSet) => recordSet.cluster === cluster.name);
  return assembleZones({ domain: cluster.domain, revision: REVISION, ttlSeconds, recordSets: own });
}

function compileIntents({ index, intentsFile = '', problems }: OfflinePlane, ttlSeconds: number): RecordSet[] {
  return index.intentKeys().flatMap((key) => {
    const intent = index.intent(key);
    if (intent === undefined) return [];
    const { document, skipped } = compileIntent(intent.object, { zones: intent.zones, ttlSeconds });
    const place = intentPlace(intentsFile, intent.object);
    problems.push(...skipped.map((one) => `${place}: ${problemOf(one)}`));
    return document ?? [];
  });
}

function problemOf({ path, reason }: Skipped): string {
  return `${path}: ${reason}`;
}
