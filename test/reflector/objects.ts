/** Small whole objects, as an API server keeps them. */
import type { ApiObject } from '../harness/api-server/api-server.ts';

export function aService(
  name: string,
  overrides: { note?: string; port?: number; clusterIP?: string } = {},
): ApiObject {
  const { note = 'plain', port = 80, clusterIP = '10.96.0.10' } = overrides;
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace: 'shop',
      annotations: { 'signalbox.dev/note': note },
      managedFields: [{ manager: 'kubectl', operation: 'Apply' }],
    },
    spec: { type: 'ClusterIP', clusterIPs: [clusterIP], ports: [{ port, protocol: 'TCP' }] },
  };
}

export function aSlice(name: string, addresses: readonly string[]): ApiObject {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  };
}
