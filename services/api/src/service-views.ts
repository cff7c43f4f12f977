/** A stored Service and what was derived of it → what the API shows. */
import {
  INTENT_CLUSTER,
  LAYERS,
  type Layer,
  type LoadBalancerIngress,
  nameForService,
  type ProxyPlan,
  type ServiceDetail,
  type ServiceEndpoint,
  type ServiceKey,
  type ServiceSummary,
} from '@signalbox/contracts';
import {
  documentAt,
  objectAt,
  type Store,
  type StoredDocument,
  type StoredObject,
  slicesOfService,
} from '@signalbox/store';
import type { State } from './state.ts';

type Documents = { readonly [L in Layer]: StoredDocument<L> | undefined };

const NO_DOCUMENTS: Documents = { proxy: undefined, dns: undefined, lb: undefined };

export function summarizeService(store: Store, state: State, service: StoredObject<'Service'>): ServiceSummary {
  return summaryOf(store, state, service, readDocuments(store, state, service.key));
}

export function describeService(store: Store, state: State, service: StoredObject<'Service'>): ServiceDetail {
  const documents = readDocuments(store, state, service.key);
  return {
    revision: state.revision,
    summary: summaryOf(store, state, service, documents),
    service: service.object,
    endpoints: slicesOfService(store, service.key, state.revision).flatMap(endpointsOfSlice),
    plan: derivedDocument(documents.proxy),
    records: derivedDocument(documents.dns),
    registrations: derivedDocument(documents.lb),
    skipped: LAYERS.flatMap((layer) => (documents[layer]?.skipped ?? []).map((skipped) => ({ ...skipped, layer }))),
  };
}

/** Nothing, for a cluster that a layer still lacks: part of the truth is not shown as the truth. */
function readDocuments(store: Store, state: State, key: ServiceKey): Documents {
  if (state.missingLayers(key.cluster).length > 0) return NO_DOCUMENTS;
  const { revision } = state;
  return {
    proxy: documentAt(store, { layer: 'proxy', key, revision }),
    dns: documentAt(store, { layer: 'dns', key, revision }),
    lb: documentAt(store, { layer: 'lb', key, revision }),
  };
}

function summaryOf(store: Store, state: State, service: StoredObject<'Service'>, documents: Documents): ServiceSummary {
  const { key, revision, object } = service;
  const ingress = ingressOf(store, state, service);
  const ingressAddresses = ingress.flatMap(({ ip, hostname }) => [ip, hostname].filter((text) => text !== undefined));
  return {
    cluster: key.cluster,
    namespace: key.namespace,
    name: key.name,
    revision,
    type: object.spec.type,
    clusterIPs: object.spec.clusterIPs,
    externalAddresses: [...ingressAddresses, ...(object.spec.externalIPs ?? [])],
    ports: object.spec.ports.map(({ name, protocol, port, nodePort }) => ({
      name,
      protocol,
      port,
      ...(nodePort === undefined ? {} : { nodePort }),
    })),
    labels: object.metadata.labels ?? {},
    isSynced: state.missingLayers(key.cluster).length === 0,
    endpoints: countEndpoints(documents.proxy?.document ?? null),
    layers: {
      proxy: documents.proxy?.revision ?? null,
      dns: documents.dns?.revision ?? null,
      lb: documents.lb?.revision ?? null,
    },
  };
}

/** As compilers see it: what the cluster says, else what was allocated or reported for the Service. */
function ingressOf(
  store: Store,
  state: State,
  { key, object }: StoredObject<'Service'>,
): readonly LoadBalancerIngress[] {
  const own = object.status?.loadBalancer?.ingress ?? [];
  if (own.length > 0 || object.spec.type !== 'LoadBalancer') return own;
  const address = {
    kind: 'LoadBalancerAddress',
    cluster: INTENT_CLUSTER,
    namespace: '',
    name: nameForService(key),
  } as const;
  return objectAt(store, address, state.revision)?.object.spec.ingress ?? [];
}

function countEndpoints(plan: ProxyPlan | null): ServiceSummary['endpoints'] {
  if (plan === null) return null;
  const endpoints = plan.ports.flatMap((port) => port.endpoints);
  const ready = new Set(endpoints.filter((endpoint) => endpoint.ready).map((endpoint) => endpoint.address));
  return { ready: ready.size, total: new Set(endpoints.map((endpoint) => endpoint.address)).size };
}

/** Absent conditions mean ready and serving, and not terminating (API reference of EndpointConditions). */
function endpointsOfSlice({ key, revision, object }: StoredObject<'EndpointSlice'>): ServiceEndpoint[] {
  const ports = object.ports.map(({ name, protocol, port }) => ({ name, protocol, port: port ?? null }));
  return object.endpoints.map(({ addresses, conditions, nodeName, zone, hostname, targetRef }) => ({
    slice: key.name,
    revision,
    addressType: object.addressType,
    addresses,
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? conditions?.ready ?? true,
    terminating: conditions?.terminating ?? false,
    ...(nodeName === undefined ? {} : { node: nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(targetRef?.name === undefined ? {} : { target: `${targetRef.kind ?? ''}/${targetRef.name}` }),
    ports,
  }));
}

function derivedDocument<L extends Layer>(stored: StoredDocument<L> | undefined) {
  if (stored === undefined) return null;
  const { revision, changedAtMs, document } = stored;
  return { revision, changedAt: new Date(changedAtMs).toISOString(), document };
}
