/** DNS over UDP: a packet in, at most a packet out. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Eventually, ListenAddress } from './transport.ts';

export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** The message to send back, none for a packet that must not be answered. Never throws, never rejects. */
type AnswerPeer = (packet: Uint8Array, peer: Peer) => Eventually<Uint8Array | undefined>;

export function createUdpSocket(address: string): Socket {
  const type = isIPv6(address) ? 'udp6' : 'udp4';
  const family = type === 'udp6' ? 6 : 4;
  return createSocket({
    type,
    ipv6Only: type === 'udp6',
    // Addresses are literal always: nothing to look up for each packet.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
}

export function serveUdp(socket: Socket, answer: AnswerPeer): void {
  socket.on('message', (packet, peer) => answerOverUdp(socket, answer, packet, peer));
}

export function answerOverUdp(socket: Socket, answer: AnswerPeer, packet: Uint8Array, peer: Peer): void {
  // Port 0 cannot be answered, and sending there throws.
  if (peer.port === 0) return;
  const message = answer(packet, peer);
  if (message instanceof Promise) void message.then((late) => sendTo(socket, peer, late));
  else sendTo(socket, peer, message);
}

/** An answer that cannot be sent is a lost packet, as any other on the way: without a callback nobody is told. */
function sendTo(socket: Socket, peer: Peer, message: Uint8Array | undefined): void {
  if (message === undefined) return;
  try {
    socket.send(message, peer.port, peer.address);
  } catch {
    // Closed since the question came.
  }
}

export function bindUdp(socket: Socket, { address, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

export function closeUdp(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
