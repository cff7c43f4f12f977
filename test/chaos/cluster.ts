/** The Kubernetes cluster of the fault test: recorded objects, and one Service whose address counts its changes. */
import { type LogObject, SOURCE_KINDS } from '@signalbox/contracts';
import { type ApiObject, type ApiServer, startApiServer } from '../harness/api-server/api-server.ts';
import { recordedObjects } from '../harness/api-server/recordings.ts';
import { changeObject, type Random, upsetServer } from '../harness/cluster-changes.ts';
import { startTcpRelay, type TcpRelay } from '../harness/tcp-relay.ts';

export const CLUSTER = { name: 'recorded', domain: 'cluster.local' } as const;
/** Where the agent runs. Its Node object changes, and is there when it is calm. */
export const NODE = 'node-a';
export const PROBE = { namespace: 'shop', name: 'chaos-probe' } as const;

const ORIGINALS = SOURCE_KINDS.flatMap(recordedObjects);
const CHANGING = ORIGINALS.filter(({ kind }) => kind !== 'Namespace');
const HOME = ORIGINALS.filter(({ kind, metadata }) => kind === 'Node' && metadata.name === NODE);

export interface ChaosCluster {
  readonly server: ApiServer;
  /** What the watchers connect to. */
  readonly relay: TcpRelay;
  readonly kubeconfig: string;
  /** Changes so far. */
  readonly changes: number;
  change(random: Random): void;
  /** A connection breaks, or the server answers with errors. */
  upset(random: Random): void;
  /** No more faults of the server, and the agent's Node is there. */
  calm(): void;
  stop(): Promise<void>;
}

export async function startCluster(kubeconfigPath: string): Promise<ChaosCluster> {
  const server = await startApiServer({ objects: [...ORIGINALS, probeService()], bookmarkIntervalMs: 250 });
  const relay = await startTcpRelay(() => server.port);
  const kubeconfig = await server.kubeconfig(kubeconfigPath, {
    contexts: [CLUSTER.name],
    cluster: { server: `http://127.0.0.1:${relay.port}` },
  });
  let [changes, count] = [0, 0];
  const countUp = (): void => {
    count += 1;
    server.put(probeSlice(count));
  };
  countUp();
  return {
    server,
    relay,
    kubeconfig,
    get changes() {
      return changes;
    },
    change: (random) => {
      changes += 1;
      if (random() < 0.3) countUp();
      else changeObject(random, server, CHANGING);
    },
    upset: (random) => upsetServer(random, server),
    calm: () => {
      server.clearFaults();
      relay.set('passing');
      for (const node of HOME) server.put(node);
      // A stalled watch stays silent for ever; real ones end at their time limit.
      for (const kind of SOURCE_KINDS) server.cutWatches(kind);
    },
    stop: async () => {
      await relay.close();
      await server.stop();
    },
  };
}

/** Headless, so that DNS answers with the count itself. */
function probeService(): ApiObject {
  return {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { ...PROBE },
    spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'http', port: 80 }], type: 'ClusterIP' },
  };
}

export function probeSlice(count: number) {
  return {
    kind: 'EndpointSlice' as const,
    apiVersion: 'discovery.k8s.io/v1',
    metadata: {
      namespace: PROBE.namespace,
      name: `${PROBE.name}-1`,
      labels: { 'kubernetes.io/service-name': PROBE.name },
    },
    addressType: 'IPv4' as const,
    endpoints: [{ addresses: [addressOfCount(count)], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' as const }],
  };
}

/** 10.200.0.0/16, so counts stay below 65,536. */
function addressOfCount(count: number): string {
  return `10.200.${count >> 8}.${count & 255}`;
}

/** Undefined for what is no slice of the probe. */
export function countOfSlice(object: LogObject): number | undefined {
  if (object.kind !== 'EndpointSlice') return undefined;
  const [address] = object.endpoints.flatMap(({ addresses }) => addresses);
  return address === undefined ? undefined : countOfAddress(address);
}

/** The opposite of the above; undefined for an address that is no count. */
export function countOfAddress(address: string): number | undefined {
  const [first, second, high, low] = address.split('.').map(Number);
  return first === 10 && second === 200 && high !== undefined && low !== undefined ? high * 256 + low : undefined;
}
