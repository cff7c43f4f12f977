/** Builders of log objects for tests: defaults for everything, so that a test shows only what matters to it. */
import {
  type ClusterObject,
  type EndpointSliceObject,
  endpointSliceObjectSchema,
  type IntentKind,
  type IntentObject,
  intentObjectSchema,
  type LogObject,
  type NodeObject,
  nodeObjectSchema,
  type ObjectMessage,
  objectSubject,
  type ServiceObject,
  SOURCE_KINDS,
  serviceObjectSchema,
} from '@signalbox/contracts';
import type { AppendEntry } from '@signalbox/event-log';

export function aCluster(name: string, parts: Partial<ClusterObject> = {}): ClusterObject {
  return {
    kind: 'Cluster',
    metadata: { name },
    domain: 'cluster.local',
    source: 'manifests',
    syncedKinds: [...SOURCE_KINDS],
    ...parts,
  };
}

export function aService(name: string, spec: object = {}, metadata: object = {}): ServiceObject {
  return serviceObjectSchema.parse({
    kind: 'Service',
    metadata: { namespace: 'shop', name, ...metadata },
    spec: { clusterIPs: ['10.96.0.10'], ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  });
}

/** A slice of the service; endpoints are given by address, ready, on node-a. */
export function aSlice(service: string, addresses: readonly string[], name = `${service}-1`): EndpointSliceObject {
  return endpointSliceObjectSchema.parse({
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': service } },
    addressType: addresses[0]?.includes(':') ? 'IPv6' : 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: 'node-a', conditions: { ready: true } })),
    ports: [{ name: 'http', port: 8080 }],
  });
}

export function aNode(name: string, address = '10.240.0.1'): NodeObject {
  return nodeObjectSchema.parse({
    kind: 'Node',
    metadata: { name },
    status: {
      addresses: [{ type: 'InternalIP', address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
}

/** The entry that a source would append for this object. */
export function upsertOf(cluster: string, object: LogObject, changedAtMs = 1): AppendEntry {
  const message: ObjectMessage = { cluster, resourceVersion: '1', changedAtMs, object };
  return { subject: objectSubject(cluster, object), data: JSON.stringify(message) };
}

export function tombstoneOf(cluster: string, object: LogObject): AppendEntry {
  return { subject: objectSubject(cluster, object), data: null };
}

/** As the API writes it: of no cluster. */
export function anIntent(kind: IntentKind, name: string, spec: object): IntentObject {
  return intentObjectSchema.parse({ kind, metadata: { name }, spec });
}
