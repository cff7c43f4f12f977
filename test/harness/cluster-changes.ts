/** A life of a cluster: random changes of its objects, and mishaps of its API server, repeatable by their seed. */
import type { SourceKind } from '@signalbox/contracts';
import type { ApiObject, ApiServer, Fault } from './api-server/api-server.ts';

/** In [0, 1). */
export type Random = () => number;

type Fields = Record<string, unknown>;

const KINDS: readonly SourceKind[] = ['Service', 'EndpointSlice', 'Node', 'Namespace'];

/** mulberry32: small, and the same everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** One change of one object: gone, back as it was at first, or edited. */
export function changeObject(random: Random, server: ApiServer, originals: readonly ApiObject[]): void {
  const original = pick(random, originals);
  const { kind, metadata } = original;
  const fate = random();
  if (fate < 0.2) server.delete({ ...metadata, kind });
  else if (fate < 0.35) server.put(original);
  else server.put(edited(random, current(server, original)));
}

function current(server: ApiServer, { kind, metadata }: ApiObject): ApiObject {
  const isSame = (object: ApiObject): boolean =>
    object.metadata.name === metadata.name && object.metadata.namespace === metadata.namespace;
  return server.list(kind).find(isSame) ?? { kind, apiVersion: 'v1', metadata };
}

function edited(random: Random, object: ApiObject): ApiObject {
  const copy = structuredClone(object);
  if (copy.kind === 'EndpointSlice') return editedSlice(random, copy);
  if (copy.kind === 'Service') return editedService(random, copy);
  return { ...copy, status: { ...(copy.status as Fields), addresses: addresses(random) } };
}

function addresses(random: Random): object[] {
  return [{ type: 'InternalIP', address: `192.0.2.${1 + Math.floor(random() * 250)}` }];
}

/** Endpoints come, go, get ready and unready; now and then the slice moves to another service, or cannot be read. */
function editedSlice(random: Random, slice: ApiObject): ApiObject {
  const endpoints = ((slice.endpoints ?? []) as Fields[]).filter(() => random() < 0.8);
  const changed = endpoints.map((endpoint) =>
    random() < 0.3 ? { ...endpoint, conditions: { ready: random() < 0.5, serving: random() < 0.7 } } : endpoint,
  );
  const added = { addresses: [`10.9.${Math.floor(random() * 250)}.7`], conditions: { ready: true } };
  const labels = { ...(slice.metadata.labels as Fields) };
  if (random() < 0.1) labels['kubernetes.io/service-name'] = pick(random, ['web', 'kubernetes', 'nobody']);
  const isIPv4 = (slice.addressType ?? 'IPv4') === 'IPv4';
  return {
    ...slice,
    addressType: random() < 0.05 ? 'carrier pigeon' : (slice.addressType ?? 'IPv4'),
    metadata: { ...slice.metadata, labels },
    endpoints: isIPv4 && random() < 0.5 ? [...changed, added] : changed,
  };
}

/** What a user may do to a service, addresses that are none among it. */
function editedService(random: Random, service: ApiObject): ApiObject {
  const spec = { ...(service.spec as Fields) };
  const edit = pick(random, ['type', 'policy', 'externalIPs', 'affinity', 'unpublished'] as const);
  if (edit === 'type') spec.type = pick(random, ['ClusterIP', 'NodePort', 'LoadBalancer']);
  if (edit === 'policy') spec.externalTrafficPolicy = pick(random, ['Cluster', 'Local']);
  if (edit === 'externalIPs') spec.externalIPs = [pick(random, ['203.0.113.9', '2001:db8::9', 'not-an-address'])];
  if (edit === 'affinity') spec.sessionAffinity = pick(random, ['None', 'ClientIP']);
  if (edit === 'unpublished') spec.publishNotReadyAddresses = random() < 0.5;
  return { ...service, spec };
}

/** Something goes wrong with the connection, or with what the API server remembers. */
export function upsetServer(random: Random, server: ApiServer): void {
  const kind = pick(random, KINDS);
  const afterBytes = Math.floor(random() * 6_000);
  const faults: readonly Fault[] = [
    { kind, type: 'cut', afterBytes },
    { kind, type: 'end', afterBytes },
    { kind, type: 'stall', afterBytes },
    { kind, type: 'status', code: pick(random, [401, 403, 404, 410, 429, 500, 503]) },
    { kind, type: 'error-event', on: 'watch', status: { code: 410 } },
    { kind, type: 'replay', on: 'watch' },
  ];
  if (random() < 0.7) server.fault(pick(random, faults));
  if (random() < 0.2) server.compact();
  server.cutWatches(kind);
}
