/** Clusters that the log holds and no source reads any more. They are served as last seen until somebody says otherwise. */
import {
  clusterObjects,
  objectsOfCluster,
  parseObjectSubject,
  type StreamName,
  statusesOfCluster,
} from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';

/** Deletes all that the log holds of the cluster; what was derived of it follows. Returns how many objects that were. */
export async function forgetCluster(log: EventLog, cluster: string): Promise<number> {
  const objects = await liveSubjects(log, 'objects', objectsOfCluster(cluster));
  const statuses = await liveSubjects(log, 'status', statusesOfCluster(cluster));
  // First that the cluster is gone: what is left of it in between must not be taken for an emptied one.
  objects.sort((left, right) => Number(isCluster(right)) - Number(isCluster(left)));
  if (objects.length > 0) await log.appendAll('objects', objects.map(tombstone));
  if (statuses.length > 0) await log.appendAll('status', statuses.map(tombstone));
  return objects.length;
}

export async function clustersInLog(log: EventLog): Promise<string[]> {
  const subjects = await liveSubjects(log, 'objects', clusterObjects());
  return subjects.map((subject) => parseObjectSubject(subject).name).sort();
}

async function liveSubjects(log: EventLog, stream: StreamName, filter: string): Promise<string[]> {
  const subjects: string[] = [];
  for await (const batch of log.follow(stream, { from: 'snapshot', filter })) {
    for (const { subject, data } of batch.messages) if (data !== null) subjects.push(subject);
    if (batch.isCaughtUp) break;
  }
  return subjects;
}

function isCluster(subject: string): boolean {
  return parseObjectSubject(subject).kind === 'Cluster';
}

function tombstone(subject: string) {
  return { subject, data: null };
}
