/** Endpoints and clients on loopback, of TCP and UDP. Whatever is opened here is closed by `closeSockets`. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, isIPv6, type Socket } from 'node:net';
import type { PlanEndpoint } from '@signalbox/contracts';
import { anEndpoint } from '../packets/a-plan.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  close(): void;
}

const closers: (() => void)[] = [];

export function closeSockets(): void {
  for (const close of closers.splice(0)) close();
}

/** Greets each connection with its own address, then does as `serve` says; echoes by default. */
export async function tcpEndpoint(address: string, serve: (socket: Socket) => void = echo) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(`${address}\n`);
    serve(socket);
  });
  server.listen({ port: 0, host: address });
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  closers.push(close);
  return { address, port: (server.address() as AddressInfo).port, sockets, close };
}

function echo(socket: Socket): void {
  socket.pipe(socket);
}

/** Answers each datagram with its own address. */
export async function udpEndpoint(address: string): Promise<Endpoint> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('message', (_, peer) => socket.send(address, peer.port, peer.address));
  socket.bind(0, address);
  await once(socket, 'listening');
  return { address, port: socket.address().port, close: closerOf(socket) };
}

/** A port that is free, and nobody listens on. */
export async function freePort(address = '127.0.0.1'): Promise<number> {
  const server = createServer().listen({ port: 0, host: address });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export function planEndpoint({ address, port }: Omit<Endpoint, 'close'>, parts: Partial<PlanEndpoint> = {}) {
  return anEndpoint({ address, port, ...parts });
}

export interface Client {
  readonly socket: Socket;
  /** The next line; 'closed' at the end, or the code of the error. */
  readonly line: () => Promise<string>;
}

export function tcpClient(host: string, port: number, localAddress?: string): Client {
  const socket = connect({ host, port, allowHalfOpen: true, ...(localAddress === undefined ? {} : { localAddress }) });
  closers.push(() => socket.destroy());
  const read: { text: string; ending?: string } = { text: '' };
  let notify = (): void => {};
  const end = (how: string) => {
    read.ending ??= how;
    notify();
  };
  socket.on('data', (chunk) => {
    read.text += chunk.toString();
    notify();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'error'));
  socket.on('end', () => end('closed'));
  socket.on('close', () => end('closed'));
  const line = async (): Promise<string> => {
    while (!read.text.includes('\n') && read.ending === undefined) {
      await new Promise<void>((resolve) => {
        notify = resolve;
      });
    }
    const [first = '', ...rest] = read.text.split('\n');
    if (rest.length === 0) return read.ending ?? '';
    read.text = rest.join('\n');
    return first;
  };
  return { socket, line };
}

/** What one connection meets: the address of the endpoint that answered, or the code of the error. */
export async function tcpAnswer(host: string, port: number, localAddress?: string): Promise<string> {
  const { socket, line } = tcpClient(host, port, localAddress);
  const answer = await line();
  socket.destroy();
  return answer;
}

export interface UdpClient {
  send(): void;
  /** Sends until an answer comes: datagrams may be lost. */
  ask(): Promise<string>;
}

export async function udpClient(host: string, port: number, localAddress?: string): Promise<UdpClient> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  const close = closerOf(socket);
  socket.on('error', close);
  socket.bind(0, localAddress ?? (isIPv6(host) ? '::1' : '127.0.0.1'));
  await once(socket, 'listening');
  const send = (): void => socket.send('hello', port, host);
  const ask = async (): Promise<string> => {
    const again = setInterval(send, 200);
    try {
      send();
      const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
      return answer.toString();
    } finally {
      clearInterval(again);
    }
  };
  return { send, ask };
}

function closerOf(socket: UdpSocket): () => void {
  let isOpen = true;
  const close = (): void => {
    if (isOpen) socket.close();
    isOpen = false;
  };
  closers.push(close);
  return close;
}
