/** A log, what sources and workers would write into it, and a store that follows it. */
import {
  type Ack,
  ackSubject,
  type DnsRecord,
  type DnsServerAck,
  derivedSubject,
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  LAYERS,
  type Layer,
  type LayerDocuments,
  type LogObject,
  type NodeAgentAck,
  type NodeObject,
  nodeObjectSchema,
  objectSubject,
  type ProxyPlan,
  type Registration,
  type ServiceKey,
  type ServiceObject,
  type Skipped,
  type SourceKind,
  type SourceStatus,
  serviceObjectSchema,
  sourceStatusSubject,
  watermarkSubject,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger } from '@signalbox/kit';
import { type HistoryRetention, openStore, type Projector, type Store, startProjector } from '@signalbox/store';

export const quietLogger = createLogger({ component: 'test', level: 'silent' });

export interface World extends AsyncDisposable {
  readonly log: EventLog;
  readonly store: Store;
  readonly projector: Projector;
}

export async function openWorld(
  options: { log?: EventLog; path?: string; historyRetention?: Partial<HistoryRetention> } = {},
): Promise<World> {
  const log = options.log ?? openSqliteEventLog({ path: ':memory:' });
  const store = await openStore({ path: options.path ?? ':memory:' });
  const { historyRetention } = options;
  const projector = await startProjector({
    store,
    log,
    logger: quietLogger,
    ...(historyRetention && { historyRetention }),
  });
  await projector.processAll();
  return {
    log,
    store,
    projector,
    [Symbol.asyncDispose]: async () => {
      await projector.stop();
      store.close();
      if (options.log === undefined) await log.close();
    },
  };
}

/** Returns the revision. */
export function put(log: EventLog, cluster: string, object: LogObject): Promise<number> {
  const message = { cluster, resourceVersion: '', changedAtMs: 1_772_352_000_000, object };
  return log.append('objects', { subject: objectSubject(cluster, object), data: JSON.stringify(message) });
}

export function remove(log: EventLog, cluster: string, object: LogObject): Promise<number> {
  return log.append('objects', { subject: objectSubject(cluster, object), data: null });
}

export async function derive<L extends Layer>(
  log: EventLog,
  layer: L,
  content: { key: ServiceKey; revision: number; document: LayerDocuments[L] | null; skipped?: readonly Skipped[] },
): Promise<void> {
  const { key, revision, document, skipped = [] } = content;
  const message = { revision, changedAtMs: 1_772_352_000_000, contentHash: String(revision), document, skipped };
  await log.append('derived', { subject: derivedSubject(layer, key), data: JSON.stringify(message) });
}

export async function withdraw(log: EventLog, layer: Layer, key: ServiceKey): Promise<void> {
  await log.append('derived', { subject: derivedSubject(layer, key), data: null });
}

/** Of the given layers, by default of all. */
export async function watermark(
  log: EventLog,
  revision: number,
  { clusters = ['c1'], layers = LAYERS }: { clusters?: readonly string[]; layers?: readonly Layer[] } = {},
): Promise<void> {
  const domains = Object.fromEntries(clusters.map((name) => [name, { domain: 'cluster.local' }]));
  for (const layer of layers) {
    const data = JSON.stringify({ layer, revision, clusters: domains, skippedServices: 0 });
    await log.append('derived', { subject: watermarkSubject(layer), data });
  }
}

export async function report(log: EventLog, status: Partial<SourceStatus> & { cluster: string }): Promise<void> {
  const kind: SourceKind = status.kind ?? 'Service';
  const all: SourceStatus = {
    kind,
    state: 'watching',
    message: '',
    objects: 1,
    skipped: 0,
    resourceVersion: '7',
    sinceMs: 1_772_352_000_000,
    ...status,
  };
  await log.append('status', { subject: sourceStatusSubject(status.cluster, kind), data: JSON.stringify(all) });
}

/** The word of a node agent. */
export async function acknowledge(
  log: EventLog,
  ack: Partial<NodeAgentAck> & { node: string; revision: number },
): Promise<void> {
  const all: NodeAgentAck = {
    consumer: ack.node,
    kind: 'node-agent',
    layer: 'proxy',
    cluster: 'c1',
    backend: 'nftables',
    appliedAtMs: 1_772_352_000_000,
    error: '',
    skippedServices: 0,
    ...ack,
  };
  await tell(log, all);
}

/** The word of a DNS server. */
export async function acknowledgeDns(
  log: EventLog,
  ack: Partial<DnsServerAck> & { consumer: string; revision: number },
): Promise<void> {
  await tell(log, {
    kind: 'dns-server',
    layer: 'dns',
    cluster: 'c1',
    appliedAtMs: 1_772_352_000_000,
    error: '',
    skippedServices: 0,
    ...ack,
  });
}

async function tell(log: EventLog, ack: Ack): Promise<void> {
  await log.append('status', { subject: ackSubject(ack), data: JSON.stringify(ack) });
}

export function aCluster(name: string): LogObject {
  return {
    kind: 'Cluster',
    metadata: { name },
    domain: 'cluster.local',
    source: 'manifests',
    syncedKinds: ['Service', 'EndpointSlice', 'Node', 'Namespace'],
  };
}

export function aService(
  name: string,
  options: { namespace?: string; labels?: Record<string, string>; spec?: object } = {},
): ServiceObject {
  return serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { name, namespace: options.namespace ?? 'shop', labels: options.labels },
    spec: { clusterIPs: ['10.96.0.20'], ports: [{ name: 'http', port: 80 }], ...options.spec },
  });
}

export function aSlice(
  name: string,
  service: string,
  options: { namespace?: string; addresses?: readonly string[] } = {},
): EndpointSliceObject {
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: options.namespace ?? 'shop',
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    endpoints: (options.addresses ?? ['10.244.1.5']).map((address) => ({ addresses: [address], nodeName: 'node-1' })),
    ports: [{ name: 'http', port: 8080 }],
  });
}

export function aNode(name: string): NodeObject {
  return nodeObjectSchema.parse({
    kind: 'Node',
    metadata: { name, labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
    spec: { podCIDRs: ['10.244.1.0/24'] },
    status: {
      addresses: [
        { type: 'InternalIP', address: '192.0.2.11' },
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
}

export function aPlan(key: ServiceKey, address = '10.244.1.5'): ProxyPlan {
  return {
    ...key,
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.20'],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [
      {
        name: 'http',
        protocol: 'TCP',
        port: 80,
        endpoints: [
          { address, family: 'IPv4', port: 8080, ready: true, serving: true, terminating: false, node: 'node-1' },
        ],
      },
    ],
  };
}

function aRecord(key: ServiceKey, address = '10.96.0.20'): DnsRecord {
  return { type: 'A', name: `${key.name}.${key.namespace}.svc.cluster.local.`, ttlSeconds: 30, address };
}

export function aRegistration(key: ServiceKey, port = 80, loadBalancerClass = ''): Registration {
  return {
    id: `${key.cluster}/${key.namespace}/${key.name}:${port}/TCP`,
    loadBalancerClass,
    portName: 'http',
    protocol: 'TCP',
    port,
    addresses: ['203.0.113.7'],
    hostnames: [],
    sourceRanges: [],
    healthCheck: { type: 'tcp', port: 30_080 },
    targets: [{ type: 'node', address: '192.0.2.11', port: 30_080, node: 'node-1', weight: 1, state: 'active' }],
  };
}

/** A service with all that is derived of it, from nothing to the watermark of all layers. Returns the revision. */
export async function putDerivedService(log: EventLog, key: ServiceKey, address?: string): Promise<number> {
  await put(log, key.cluster, aService(key.name, { namespace: key.namespace, labels: { app: key.name } }));
  const slice = aSlice(`${key.name}-1`, key.name, { namespace: key.namespace });
  const revision = await put(log, key.cluster, slice);
  await derive(log, 'proxy', { key, revision, document: aPlan(key, address) });
  await derive(log, 'dns', { key, revision, document: { ...key, records: [aRecord(key)] } });
  await derive(log, 'lb', { key, revision, document: { ...key, registrations: [aRegistration(key)] } });
  await watermark(log, revision, { clusters: [key.cluster] });
  return revision;
}
