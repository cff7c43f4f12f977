/** Three real nats-servers that are one JetStream cluster, on loopback, with stores of their own. */
import { createServer } from 'node:net';
import { type JetStreamManager, jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { waitFor } from './event-log-tail.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

const NAMES = ['n1', 'n2', 'n3'] as const;

export interface NatsCluster {
  /** For `--nats`. */
  readonly urls: string;
  readonly servers: readonly string[];
  /** By server name. */
  readonly nodes: ReadonlyMap<string, NatsServer>;
  /** The node that leads a stream, by its name. */
  leaderOf(stream: string): Promise<NatsServer>;
  configOf(stream: string): Promise<StreamConfig>;
  stop(): Promise<void>;
}

export async function startNatsCluster(config = ''): Promise<NatsCluster> {
  const ports = await freePorts(NAMES.length * 2);
  const routes = NAMES.map((_, i) => `nats://127.0.0.1:${ports[i]}`);
  const nodes = new Map<string, NatsServer>();
  const starting = NAMES.map(async (name, i) => {
    const cluster = `cluster { name: test, listen: "127.0.0.1:${ports[i]}", routes: ${JSON.stringify(routes)} }`;
    const text = `server_name: ${name}\n${cluster}\n${config}\n`;
    nodes.set(name, await startNatsServer({ config: text, port: ports[NAMES.length + i] ?? -1 }));
  });
  await Promise.all(starting);
  const servers = NAMES.map((name) => nodes.get(name)?.url ?? '');
  await waitFor('the cluster to have a leader', () => isWhole(servers));
  return {
    urls: servers.join(','),
    servers,
    nodes,
    leaderOf: async (stream) => nodeOf(nodes, await leaderName(servers, stream)),
    configOf: (stream) => withManager(servers, async ({ streams }) => (await streams.info(stream)).config),
    stop: async () => {
      await Promise.all([...nodes.values()].map((node) => node.stop()));
    },
  };
}

function nodeOf(nodes: ReadonlyMap<string, NatsServer>, name: string): NatsServer {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`there is no node ${name}`);
  return node;
}

async function withManager<Result>(
  servers: string[],
  work: (manager: JetStreamManager) => Promise<Result>,
): Promise<Result> {
  const connection = await connect({ servers });
  try {
    return await work(await jetstreamManager(connection, { checkAPI: false }));
  } finally {
    await connection.close();
  }
}

async function leaderName(servers: string[], stream: string): Promise<string> {
  return await withManager(servers, async (manager) => {
    let leader: string | undefined;
    await waitFor(`${stream} to have a leader`, async () => {
      leader = (await manager.streams.info(stream).catch(() => undefined))?.cluster?.leader;
      return leader !== undefined && leader !== '';
    });
    return leader ?? '';
  });
}

/** A stream on all three can be made: so there is a leader, and everybody has found everybody. */
async function isWhole(servers: string[]): Promise<boolean> {
  const connection = await connect({ servers, reconnect: false }).catch(() => undefined);
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

/** Free a moment ago: the servers have to know each other's before any of them runs. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
