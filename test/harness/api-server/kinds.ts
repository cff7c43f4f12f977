/** The kinds that the test API server serves, as a real one (1.36) writes them. */
import type { SourceKind } from '@signalbox/contracts';

export interface KindInfo {
  readonly kind: SourceKind;
  readonly apiVersion: string;
  readonly group: string;
  readonly resource: string;
  readonly path: string;
  /** Fields of the empty object in a bookmark, beside its metadata: Go's zero values that have no `omitempty`. */
  readonly emptyFields: object;
}

const EMPTY_NODE_INFO = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: '',
  osImage: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  kubeProxyVersion: '',
  operatingSystem: '',
  architecture: '',
};

export const KINDS: { readonly [Kind in SourceKind]: KindInfo } = {
  Service: core('Service', 'services', { spec: {}, status: { loadBalancer: {} } }),
  EndpointSlice: {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    emptyFields: { addressType: '', endpoints: null, ports: null },
  },
  Node: core('Node', 'nodes', {
    spec: {},
    status: { daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, nodeInfo: EMPTY_NODE_INFO },
  }),
  Namespace: core('Namespace', 'namespaces', { spec: {}, status: {} }),
  Pod: core('Pod', 'pods', { spec: { containers: null }, status: {} }),
};

function core(kind: SourceKind, resource: string, emptyFields: object): KindInfo {
  return { kind, apiVersion: 'v1', group: '', resource, path: `/api/v1/${resource}`, emptyFields };
}

export function kindOfPath(path: string): KindInfo | undefined {
  return Object.values(KINDS).find((info) => info.path === path);
}
