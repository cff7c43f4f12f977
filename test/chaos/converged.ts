/** Whether the log has caught up with the cluster, and every consumer with the log. */
import {
  type Ack,
  ackSubject,
  LAYERS,
  type Layer,
  type List,
  type ObjectMessage,
  type Watermark,
  watermarkSubject,
} from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import { snapshot } from '../harness/derived.ts';
import { expectedCluster } from '../harness/oracle.ts';
import { CLUSTER, NODE } from './cluster.ts';
import { sorted } from './differences.ts';
import { dnsSerial } from './dns-client.ts';
import type { World } from './world.ts';

/** The revision at which the log holds what the cluster's API server lists, and that all have reached; else who lags. */
export type Convergence = { readonly revision: number } | { readonly waitingFor: string };

export async function convergence(world: World): Promise<Convergence> {
  const { log, cluster, plane } = world;
  const expected = expectedCluster(cluster.server, CLUSTER).objects;
  const messages = await snapshot(log, 'objects');
  const found = messages.flatMap(({ data }) => (data === null ? [] : (JSON.parse(data) as ObjectMessage).object));
  const ofCluster = found.filter(({ kind }) => kind !== 'Cluster');
  if (sorted(ofCluster).join() !== sorted(expected).join()) return { waitingFor: 'the log to hold the cluster' };
  const { lastSequence: revision } = await log.info('objects');
  for (const layer of LAYERS) {
    const reached = await watermark(log, layer);
    if (reached !== revision) return { waitingFor: `the ${layer} layer, at ${reached} of ${revision}` };
  }
  for (const { name, url } of plane.apis) {
    const reached = await apiRevision(url);
    if (reached !== revision) return { waitingFor: `${name}, at ${reached} of ${revision}` };
  }
  const serial = await dnsSerial(plane.dnsPort, 'cluster.local');
  if (serial !== revision) return { waitingFor: `dns-server, at ${serial} of ${revision}` };
  if (world.namespace === undefined) return { revision };
  const ack = await agentAck(log);
  if (ack?.revision === revision && ack.error === '') return { revision };
  return { waitingFor: `node-agent, at ${ack?.revision} of ${revision}: ${ack?.error}` };
}

async function watermark(log: EventLog, layer: Layer): Promise<number> {
  const last = await log.last('derived', watermarkSubject(layer));
  return last?.data ? (JSON.parse(last.data) as Watermark).revision : 0;
}

/** As its answers say; 0 while it has none to give. */
async function apiRevision(url: string): Promise<number> {
  const signal = AbortSignal.timeout(2000);
  const response = await fetch(`${url}/v1/services?limit=1`, { signal }).catch(() => undefined);
  if (response?.status !== 200) return 0;
  return ((await response.json()) as List<unknown>).revision;
}

async function agentAck(log: EventLog): Promise<Ack | undefined> {
  const last = await log.last('status', ackSubject({ layer: 'proxy', cluster: CLUSTER.name, consumer: NODE }));
  return last?.data ? (JSON.parse(last.data) as Ack) : undefined;
}
