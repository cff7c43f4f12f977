/** Three real nats-servers that are one JetStream cluster, on loopback, with stores of their own. */
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { waitFor } from './event-log-tail.ts';
import { freePorts } from './free-ports.ts';
import { type NatsNetwork, startNatsNetwork } from './nats-network.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

const NAMES = ['n1', 'n2', 'n3'] as const;

export interface NatsCluster {
  /** For `--nats`. */
  readonly urls: string;
  readonly servers: readonly string[];
  /** By server name. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** Where the cluster was started with one: all clients and servers meet through it. */
  readonly network: NatsNetwork | undefined;
  /** The node that leads a stream, by its name. */
  leaderOf(stream: string): Promise<NatsServer>;
  /** Another node leads the stream from now on. */
  stepDown(stream: string): Promise<void>;
  configOf(stream: string): Promise<StreamConfig>;
  /** Those of one log. */
  deleteStreams(prefix: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startNatsCluster(config = '', { hasNetwork = false } = {}): Promise<NatsCluster> {
  let ports: readonly number[] = [];
  const portsOf = (i: number) => ({ route: ports[i] ?? -1, client: ports[NAMES.length + i] ?? -1 });
  const network = hasNetwork ? await startNatsNetwork(NAMES.length, portsOf) : undefined;
  ports = await freePorts(NAMES.length * 2);
  const routes = NAMES.map((_, i) => `nats://127.0.0.1:${portsOf(i).route}`);
  const nodes = new Map<string, NatsServer>();
  const starting = NAMES.map(async (name, i) => {
    const cluster = `cluster { name: test, listen: "127.0.0.1:${portsOf(i).route}", routes: ${JSON.stringify(routes)} }`;
    const text = `server_name: ${name}\n${network?.configOf(i) ?? cluster}\n${config}\n`;
    nodes.set(name, await startNatsServer({ config: text, port: portsOf(i).client }));
  });
  await Promise.all(starting);
  const servers = network?.urls ?? NAMES.map((name) => nodes.get(name)?.url ?? '');
  await waitFor('the cluster to have a leader', () => isWhole(servers));
  return {
    urls: servers.join(','),
    servers,
    nodes,
    network,
    leaderOf: async (stream) => nodeOf(nodes, await leaderName(servers, stream)),
    stepDown: (stream) => stepDown(servers, stream),
    configOf: (stream) => withManager(servers, async ({ streams }) => (await streams.info(stream)).config),
    deleteStreams: (prefix) => deleteStreams(servers, prefix),
    stop: async () => {
      await Promise.all([...nodes.values()].map((node) => node.stop()));
      await network?.close();
    },
  };
}

function nodeOf(nodes: ReadonlyMap<string, NatsServer>, name: string): NatsServer {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`there is no node ${name}`);
  return node;
}

async function withManager<Result>(
  servers: readonly string[],
  work: (manager: JetStreamManager) => Promise<Result>,
): Promise<Result> {
  const connection = await connect({ servers: [...servers] });
  try {
    return await work(await jetstreamManager(connection, { checkAPI: false }));
  } finally {
    await connection.close();
  }
}

async function leaderName(servers: readonly string[], stream: string): Promise<string> {
  return await withManager(servers, async (manager) => {
    let leader: string | undefined;
    await waitFor(`${stream} to have a leader`, async () => {
      leader = (await manager.streams.info(stream).catch(() => undefined))?.cluster?.leader;
      return leader !== undefined && leader !== '';
    });
    return leader ?? '';
  });
}

async function stepDown(servers: readonly string[], stream: string): Promise<void> {
  const before = await leaderName(servers, stream);
  const connection = await connect({ servers: [...servers] });
  await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`).finally(() => connection.close());
  await waitFor('another leader', async () => (await leaderName(servers, stream)) !== before);
}

async function deleteStreams(servers: readonly string[], prefix: string): Promise<void> {
  await withManager(servers, async ({ streams }) => {
    for await (const name of streams.names()) if (name.startsWith(`${prefix}-`)) await streams.delete(name);
  });
}

/** A stream on all three can be made: so there is a leader, and everybody has found everybody. */
async function isWhole(servers: readonly string[]): Promise<boolean> {
  const connection = await connect({ servers: [...servers], reconnect: false }).catch(() => undefined);
  if (connection === undefined) return false;
  try {
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 2000 });
    await manager.streams.add({ name: 'probe', subjects: ['probe'], num_replicas: 3 });
    await manager.streams.delete('probe');
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
