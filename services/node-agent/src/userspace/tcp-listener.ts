/** TCP: accepts, connects to an endpoint, and copies both ways until both sides have finished. */
import { connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { PlanEndpoint } from '@signalbox/contracts';
import { endpointKey } from './endpoint-choice.ts';
import type { ListenAt, Listener } from './listener.ts';
import type { TcpConnections } from './tcp-connections.ts';

interface TcpOptions {
  readonly choose: (client: string, tried: ReadonlySet<string>) => PlanEndpoint | undefined;
  readonly connections: TcpConnections;
  readonly connectTimeoutMs: number;
}

/** A client waits at most so many times the connect timeout. */
const ATTEMPTS_MAX = 3;
/** Finds peers that vanished, so that their connections do not count for ever. */
const KEEP_ALIVE_MS = 60_000;
const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
} as const;

/** Closing it leaves open connections alone, as a change of rules does. */
export async function openTcpListener({ address, port }: ListenAt, options: TcpOptions): Promise<Listener> {
  const server = createServer(SOCKET_OPTIONS, (client) => {
    // Errors end the connection, which is seen as 'close'.
    client.on('error', () => {});
    if (options.connections.add(client)) void serve(client, options);
    else refuse(client, options);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Such as no free descriptor for a connection: it passes, and ending the process would help whoever caused it.
  server.on('error', () => {});
  return {
    close: () => {
      server.close();
    },
  };
}

async function serve(client: Socket, options: TcpOptions): Promise<void> {
  const upstream = await connectToOne(client, options);
  if (upstream === undefined) {
    if (!client.destroyed) refuse(client, options);
    return;
  }
  // A reset on one side is a reset on the other, never a clean end.
  client.once('error', () => upstream.resetAndDestroy());
  upstream.once('error', () => client.resetAndDestroy());
  try {
    await Promise.all([pipeline(client, upstream), pipeline(upstream, client)]);
  } catch {
    client.destroy();
    upstream.destroy();
  }
}

function refuse(client: Socket, { connections }: TcpOptions): void {
  connections.refused += 1;
  client.resetAndDestroy();
}

/** An endpoint that refuses or is silent costs the client time, not the connection, while there are others. */
async function connectToOne(client: Socket, options: TcpOptions): Promise<Socket | undefined> {
  const address = client.remoteAddress ?? '';
  const tried = new Set<string>();
  while (tried.size < ATTEMPTS_MAX && !client.destroyed) {
    const endpoint = options.choose(address, tried);
    if (endpoint === undefined) return undefined;
    const upstream = await connectTo(endpoint, options.connectTimeoutMs);
    if (upstream !== undefined && !client.destroyed) return upstream;
    upstream?.destroy();
    if (upstream === undefined) options.connections.connectFailures += 1;
    tried.add(endpointKey(endpoint));
  }
  return undefined;
}

async function connectTo({ address, port }: PlanEndpoint, timeoutMs: number): Promise<Socket | undefined> {
  const socket = connect({ host: address, port, ...SOCKET_OPTIONS });
  const isConnected = await new Promise<boolean>((resolve) => {
    socket.setTimeout(timeoutMs, () => resolve(false));
    socket.on('error', () => resolve(false));
    socket.once('connect', () => resolve(true));
  });
  socket.setTimeout(0);
  if (isConnected) return socket;
  socket.destroy();
  return undefined;
}
