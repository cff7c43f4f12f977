/** DNS over TCP (RFC 7766): many questions on one connection, answered in order, each with its length before it. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AnswerPacket, ListenAddress } from './transport.ts';

export interface TcpSettings {
  /** A connection that completes neither a question nor an answer for so long is closed. */
  readonly idleMs: number;
  /** More than these are closed at once. */
  readonly maxConnections: number;
}

interface TcpListener {
  readonly server: Server;
  close(): Promise<void>;
}

export function createTcpListener(answer: AnswerPacket, settings: TcpSettings): TcpListener {
  const sockets = new Set<Socket>();
  // Half-open: a client may close its side after its last question and still read the answers.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void serve(socket, answer, settings.idleMs);
  });
  server.maxConnections = settings.maxConnections;
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export function listenTcp(server: Server, { address, port }: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true }, () => {
      server.off('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

async function serve(socket: Socket, answer: AnswerPacket, idleMs: number): Promise<void> {
  const peer = socket.remoteAddress ?? '';
  const idle = setTimeout(() => socket.destroy(), idleMs);
  try {
    for await (const packet of readMessages(socket)) {
      for (const message of await answer(packet, peer)) {
        await writeMessage(socket, message);
        idle.refresh();
      }
    }
    socket.end();
  } catch {
    // Reset, timed out or destroyed: the client knows, and there is nobody to answer.
  } finally {
    clearTimeout(idle);
    socket.destroySoon();
  }
}

/** Reads no further while an answer waits to be taken, so that a client cannot make answers pile up. */
export async function* readMessages(socket: Socket): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      yield rest.subarray(2, end);
      rest = rest.subarray(end);
    }
  }
}

export async function writeMessage(socket: Socket, message: Uint8Array): Promise<void> {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  if (socket.write(framed)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
