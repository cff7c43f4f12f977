/** A log, the proxy worker that derives plans, and agents that program a network namespace from them. */
import { type Ack, ackSchema, ackSubject, type LogObject, type NodeObject } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, type RunningWorkers, startWorkers } from '@signalbox/kit';
import { type NodeAgent, type NodeAgentOptions, startNodeAgent } from '@signalbox/node-agent';
import { proxyWorker } from '@signalbox/proxy-worker';
import { waitFor } from '../harness/event-log-tail.ts';
import { aCluster, aNode, aService, aSlice, tombstoneOf, upsertOf } from '../harness/objects.ts';
import type { NetworkLab } from '../packets/network-lab.ts';

export const CLUSTER = 'c1';
export const NODE = 'node-a';
export const SERVICE_IP = '10.96.0.10';
export const [FIRST_POD, SECOND_POD] = ['10.244.1.11', '10.244.1.12'] as const;

const logger = createLogger({ component: 'test', level: 'silent' });

export async function startPlane(
  log: EventLog,
  others: Parameters<typeof startWorkers>[1] = [],
): Promise<RunningWorkers> {
  return await startWorkers({ log, logger, registry: createRegistry() }, [proxyWorker, ...others]);
}

/** Returns the revision of the last one. */
export async function put(log: EventLog, ...objects: LogObject[]): Promise<number> {
  const entries = objects.map((object) => upsertOf(CLUSTER, object, Date.now()));
  return (await log.appendAll('objects', entries)).at(-1) ?? 0;
}

export async function remove(log: EventLog, object: LogObject): Promise<number> {
  return await log.append('objects', tombstoneOf(CLUSTER, object));
}

/** One service of one pod, TCP and UDP, and everything that a synced cluster has besides. */
export async function putWorld(log: EventLog, pods: readonly string[] = [FIRST_POD]): Promise<number> {
  return await put(log, theNode(), theService(), theSlice(pods), aCluster(CLUSTER));
}

export function theNode(parts: Partial<NodeObject['metadata']> = {}): NodeObject {
  const node = aNode(NODE);
  return { ...node, metadata: { ...node.metadata, ...parts } };
}

export function theService(spec: object = {}) {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'udp', port: 80, protocol: 'UDP' },
  ];
  return aService('web', { clusterIPs: [SERVICE_IP], ports, ...spec });
}

export function theSlice(pods: readonly string[]) {
  const ports = [
    { name: 'http', port: 8080, protocol: 'TCP' as const },
    { name: 'udp', port: 8080, protocol: 'UDP' as const },
  ];
  return { ...aSlice('web', pods), ports };
}

export async function startAgent(
  log: EventLog,
  lab: NetworkLab,
  options: Partial<NodeAgentOptions> = {},
): Promise<NodeAgent & { readonly metrics: () => Promise<string> }> {
  const registry = createRegistry();
  const agent = await startNodeAgent(
    { log, logger, registry },
    {
      cluster: CLUSTER,
      node: NODE,
      backend: 'nftables',
      families: ['IPv4', 'IPv6'],
      clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'],
      commandPrefix: ['ip', 'netns', 'exec', lab.namespaceOf('node')],
      proxyHealthListen: { address: '127.0.0.1', port: 0 },
      healthCheckAddress: '127.0.0.1',
      ackIntervalMs: 10,
      ...options,
    },
  );
  return Object.assign(agent, { metrics: () => registry.metrics() });
}

export async function lastAck(log: EventLog): Promise<Ack | undefined> {
  const message = await log.last('status', ackSubject({ layer: 'proxy', cluster: CLUSTER, consumer: NODE }));
  return message?.data ? ackSchema.parse(JSON.parse(message.data)) : undefined;
}

/** Waits for the acknowledgement of a revision, without an error. */
export async function acked(log: EventLog, revision: number): Promise<Ack> {
  let ack: Ack | undefined;
  await waitFor(`the acknowledgement of revision ${revision}`, async () => {
    ack = await lastAck(log);
    return ack !== undefined && ack.revision >= revision && ack.error === '';
  });
  if (ack === undefined) throw new Error('no acknowledgement');
  return ack;
}
