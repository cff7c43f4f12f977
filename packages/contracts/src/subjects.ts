/**
 * Every subject of the event log is written and read here, and nowhere else; those of load balancers and of groups beside it, in
 * load-balancer-subjects.ts and group-subjects.ts.
 *
 *     objects.<partition>.<kind>.<cluster>.<namespace>.<name>      one per object; value = ObjectMessage
 *     derived.<layer>.<partition>.<cluster>.<namespace>.<name>     one per service and layer; value = DerivedMessage
 *     watermarks.<layer>                                           one per layer, in the DERIVED stream; value = Watermark
 *     targets.group.<class>.<cluster>.<namespace>.<name>           one per LoadBalancer Service; value = TargetGroupSet
 *     targets.watermark                                            value = TargetsWatermark
 *     status.source.<cluster>.<kind>                               one per source and kind; value = SourceStatus
 *     status.ack.<layer>.<cluster>.<consumer>                      one per consumer of a layer; value = Ack
 *     status.drift.<cluster>.<node>                                one per node; value = DriftReport
 *     status.group.<class>.<cluster>.<namespace>.<name>.<port>     one per target group; value = TargetGroupReport
 *     status.lease.<class>                                         one per load-balancer class; value = ControllerLease
 *     leases.<group>.group | .member.<id> | .progress.<id>         who does what of a layer, or watches a cluster
 *
 * Tokens are percent-encoded, because cluster names and EndpointSlice names may hold what NATS gives a meaning to
 * (`.`, `*`, `>`, space). `_` stands for "no namespace": no Kubernetes namespace can be called that.
 */

import type { Layer } from './derived.ts';
import { SignalboxError } from './errors.ts';
import type { IntentKind } from './intents.ts';
import type { LoadBalancerIntentKind } from './load-balancer-intents.ts';
import type { LogObject, ObjectKey, ObjectKind, ServiceKey, SourceKind } from './objects.ts';
import { serviceNameOfSlice } from './objects.ts';

export const STREAM_SUBJECTS = {
  objects: ['objects.>'],
  derived: ['derived.>', 'watermarks.>'],
  targets: ['targets.>'],
  status: ['status.>'],
  leases: ['leases.>'],
} as const;
export type StreamName = keyof typeof STREAM_SUBJECTS;

/** A Service, its EndpointSlices and (later) its exports hash to one of these, so that they meet in one worker. */
export const PARTITION_COUNT = 64;
/** Partition token of what every worker needs: Nodes, Namespaces, Clusters. */
export const SHARED_PARTITION = 'all';
const NO_NAMESPACE = '_';

export function partitionOf(namespace: string, serviceName: string): string {
  return `p${fnv1a(`${namespace}/${serviceName}`) % PARTITION_COUNT}`;
}

/** FNV-1a, 32 bit: stable over versions and languages, which a partition token has to be. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash;
}

export function encodeToken(text: string): string {
  if (/^[\w-]+$/.test(text) && text !== NO_NAMESPACE) return text;
  return text === '' ? NO_NAMESPACE : [...Buffer.from(text, 'utf8')].map(encodeByte).join('');
}

function encodeByte(byte: number): string {
  const char = String.fromCharCode(byte);
  return /[A-Za-z0-9-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

export function decodeToken(token: string): string {
  if (token === NO_NAMESPACE) return '';
  return token.includes('%') ? decodeURIComponent(token) : token;
}

/** Subject of an object in the log. A slice goes to the partition of its Service, and so must its tombstone. */
export function objectSubject(cluster: string, object: LogObject): string {
  const metadata: { name: string; namespace?: string } = object.metadata;
  const tokens = [cluster, metadata.namespace ?? '', metadata.name].map(encodeToken);
  return ['objects', partitionOfObject(object), object.kind, ...tokens].join('.');
}

/** Subject of an intent, also of one that is gone. */
export function intentSubject(kind: IntentKind | LoadBalancerIntentKind, name: string): string {
  return ['objects', SHARED_PARTITION, kind, NO_NAMESPACE, NO_NAMESPACE, encodeToken(name)].join('.');
}

function partitionOfObject(object: LogObject): string {
  if (object.kind === 'Service') return partitionOf(object.metadata.namespace, object.metadata.name);
  if (object.kind !== 'EndpointSlice') return SHARED_PARTITION;
  return partitionOf(object.metadata.namespace, serviceNameOfSlice(object) ?? '');
}

export function parseObjectSubject(subject: string): ObjectKey {
  const [stream, , kind, cluster, namespace, name, ...rest] = subject.split('.');
  if (
    stream !== 'objects' ||
    kind === undefined ||
    cluster === undefined ||
    namespace === undefined ||
    name === undefined ||
    rest.length > 0
  ) {
    throw new SignalboxError('invalid', `not the subject of an object: ${subject}`);
  }
  return {
    kind: kind as ObjectKind,
    cluster: decodeToken(cluster),
    namespace: decodeToken(namespace),
    name: decodeToken(name),
  };
}

/** The partition token of an object's subject. With the key it names the subject: a slice that moves has two for a moment. */
export function partitionOfSubject(subject: string): string {
  return subject.split('.', 2)[1] ?? '';
}

export function derivedSubject(layer: Layer, key: ServiceKey): string {
  const partition = partitionOf(key.namespace, key.name);
  return ['derived', layer, partition, ...[key.cluster, key.namespace, key.name].map(encodeToken)].join('.');
}

export function watermarkSubject(layer: Layer): string {
  return `watermarks.${layer}`;
}

export type ParsedDerivedSubject =
  | { readonly type: 'document'; readonly layer: Layer; readonly key: ServiceKey }
  | { readonly type: 'watermark'; readonly layer: Layer };

export function parseDerivedSubject(subject: string): ParsedDerivedSubject {
  const [stream, layer, , cluster, namespace, name] = subject.split('.');
  if (stream === 'watermarks' && layer !== undefined) return { type: 'watermark', layer: layer as Layer };
  if (stream !== 'derived' || cluster === undefined || namespace === undefined || name === undefined) {
    throw new SignalboxError('invalid', `not a subject of the derived stream: ${subject}`);
  }
  const key = { cluster: decodeToken(cluster), namespace: decodeToken(namespace), name: decodeToken(name) };
  return { type: 'document', layer: layer as Layer, key };
}

export function sourceStatusSubject(cluster: string, kind: string): string {
  return `status.source.${encodeToken(cluster)}.${kind}`;
}

export function parseSourceStatusSubject(subject: string): { readonly cluster: string; readonly kind: SourceKind } {
  const [stream, type, cluster, kind, ...rest] = subject.split('.');
  if (stream !== 'status' || type !== 'source' || cluster === undefined || kind === undefined || rest.length > 0) {
    throw new SignalboxError('invalid', `not the subject of a source's status: ${subject}`);
  }
  return { cluster: decodeToken(cluster), kind: kind as SourceKind };
}

export interface AckKey {
  readonly layer: Layer;
  readonly cluster: string;
  readonly consumer: string;
}

export function ackSubject({ layer, cluster, consumer }: AckKey): string {
  return ['status', 'ack', layer, encodeToken(cluster), encodeToken(consumer)].join('.');
}

export function parseAckSubject(subject: string): AckKey {
  const [stream, type, layer, cluster, consumer, ...rest] = subject.split('.');
  const isWhole = layer !== undefined && cluster !== undefined && consumer !== undefined && rest.length === 0;
  if (stream !== 'status' || type !== 'ack' || !isWhole) {
    throw new SignalboxError('invalid', `not the subject of an acknowledgement: ${subject}`);
  }
  return { layer: layer as Layer, cluster: decodeToken(cluster), consumer: decodeToken(consumer) };
}

/** Pattern of all acknowledgements of one layer and cluster. */
export function acksOfLayer(layer: Layer, cluster: string): string {
  return `status.ack.${layer}.${encodeToken(cluster)}.*`;
}

/** What a message of the status stream is about: its second token, such as `source` or `ack`. */
export function statusTypeOf(subject: string): string {
  return subject.split('.', 2)[1] ?? '';
}

export function driftSubject(cluster: string, node: string): string {
  return `status.drift.${encodeToken(cluster)}.${encodeToken(node)}`;
}

export function parseDriftSubject(subject: string): { readonly cluster: string; readonly node: string } {
  const [stream, type, cluster, node, ...rest] = subject.split('.');
  if (stream !== 'status' || type !== 'drift' || cluster === undefined || node === undefined || rest.length > 0) {
    throw new SignalboxError('invalid', `not the subject of a drift report: ${subject}`);
  }
  return { cluster: decodeToken(cluster), node: decodeToken(node) };
}

/** Pattern of all objects of one cluster, for a source that compares its list with the log. */
export function objectsOfCluster(cluster: string): string {
  return `objects.*.*.${encodeToken(cluster)}.>`;
}

/** Pattern of the objects that belong to no Service: Nodes, Namespaces, Clusters, intents. */
export function sharedObjects(): string {
  return `objects.${SHARED_PARTITION}.>`;
}

/** Pattern of the tokens of the API. */
export function apiTokenObjects(): string {
  return `objects.${SHARED_PARTITION}.ApiToken.>`;
}

/** Pattern of the objects that say which clusters there are. */
export function clusterObjects(): string {
  return `objects.${SHARED_PARTITION}.Cluster.>`;
}

export function statusesOfCluster(cluster: string): string {
  return `status.source.${encodeToken(cluster)}.*`;
}

export function derivedOfLayer(layer: Layer): string {
  return `derived.${layer}.>`;
}

/** Pattern of one layer's documents in one partition. */
export function derivedOfPartition(layer: Layer, partition: string): string {
  return `derived.${layer}.${partition}.>`;
}

export const PARTITIONS: readonly string[] = Array.from({ length: PARTITION_COUNT }, (_, i) => `p${i}`);

/** Whether a subject matches a NATS pattern: `*` is one token, a trailing `>` one or more. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return tokens.length > index;
    if (tokens[index] === undefined || (token !== '*' && token !== tokens[index])) return false;
  }
  return wanted.length === tokens.length;
}
