/**
 * A cluster of N services with 10 endpoints each, on the test API server, in a process of its own: its memory and its CPU
 * are not those of what is measured. Commanded by its parent; answers each command when it is done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiObject, type ApiServer, startApiServer } from '../harness/api-server/api-server.ts';

export type ClusterCommand =
  /** Changes one endpoint in `count` different slices, as fast as possible. */
  | { readonly type: 'burst'; readonly count: number }
  /** The same, one at a time, `perSecond` of them in a second. */
  | { readonly type: 'steady'; readonly count: number; readonly perSecond: number };

export interface ClusterReady {
  readonly type: 'ready';
  readonly kubeconfig: string;
}

const ENDPOINTS = 10;
const NODES = 100;

const [services = '1000', kubeconfigPath = ''] = process.argv.slice(2);
const count = Number(services);
const server = await startApiServer({ bookmarkIntervalMs: 30_000, historyLimit: 50_000 });
for (let i = 0; i < NODES; i += 1) server.put(node(i));
server.put({ kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'bench' } });
for (let i = 0; i < count; i += 1) {
  server.put(service(i));
  server.put(slice(i, 0));
}
process.on('message', (command: ClusterCommand) => {
  run(server, command).then(
    () => process.send?.({ type: 'done' }),
    (error: unknown) => process.send?.({ type: 'failed', message: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
const ready: ClusterReady = { type: 'ready', kubeconfig: await server.kubeconfig(kubeconfigPath) };
process.send?.(ready);

let generation = 0;

async function run(api: ApiServer, command: ClusterCommand): Promise<void> {
  generation += 1;
  for (let i = 0; i < command.count; i += 1) {
    api.put(slice(i % count, generation + Math.floor(i / count)));
    if (command.type === 'steady') await sleep(1000 / command.perSecond);
    else if (i % 100 === 99) await sleep(0);
  }
}

function service(i: number): ApiObject {
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { name: `service-${i}`, namespace: 'bench', uid: uid(i), labels: { app: `app-${i}`, tier: 'backend' } },
    spec: {
      type: i % 20 === 0 ? 'LoadBalancer' : 'ClusterIP',
      clusterIPs: [`10.${96 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
      ipFamilies: ['IPv4'],
      selector: { app: `app-${i}` },
      ports: [
        {
          name: 'http',
          port: 80,
          targetPort: 8080,
          protocol: 'TCP',
          ...(i % 20 === 0 ? { nodePort: 30_000 + i / 20 } : {}),
        },
      ],
    },
    status: { loadBalancer: {} },
  };
}

/** As large as real ones: about 3.5 KB with the owner, the references and the fields that the edge drops. */
function slice(i: number, change: number): ApiObject {
  return {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      name: `service-${i}-abcde`,
      generateName: `service-${i}-`,
      namespace: 'bench',
      uid: uid(i),
      labels: {
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': `service-${i}`,
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: `service-${i}`, uid: uid(i), controller: true }],
    },
    addressType: 'IPv4',
    endpoints: Array.from({ length: ENDPOINTS }, (_, e) => endpoint(i, e, e === change % ENDPOINTS && change > 0)),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

function endpoint(i: number, e: number, isTerminating: boolean) {
  const number = i * ENDPOINTS + e;
  return {
    addresses: [`10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`],
    conditions: { ready: !isTerminating, serving: true, terminating: isTerminating },
    nodeName: `node-${number % NODES}`,
    zone: `zone-${number % 3}`,
    targetRef: { kind: 'Pod', namespace: 'bench', name: `app-${i}-7d9f8b6c5d-${e}`, uid: uid(number) },
  };
}

function node(i: number): ApiObject {
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: { name: `node-${i}`, labels: { 'topology.kubernetes.io/zone': `zone-${i % 3}` } },
    spec: { podCIDRs: [`10.${128 + i}.0.0/24`] },
    status: {
      addresses: [{ type: 'InternalIP', address: `10.0.${i >> 8}.${i & 255}` }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function uid(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}
