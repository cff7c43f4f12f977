/** Sends packets to a server, and gets what it sends back; any packets, any number of replies. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Nothing comes for so long although something must: lost. */
const DEADLINE_MS = 10_000;

export interface UdpClient {
  /** Returns when `count` replies have come. Throws when they do not. */
  exchange(packets: readonly Uint8Array[], count: number): Promise<Uint8Array[]>;
  close(): void;
}

export async function udpClient(port: number): Promise<UdpClient> {
  const socket = createSocket('udp4');
  let replies: Uint8Array[] = [];
  let onReply = () => {};
  socket.on('message', (message) => {
    replies.push(message);
    onReply();
  });
  socket.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return {
    exchange: async (packets, count) => {
      replies = [];
      for (const packet of packets) socket.send(packet);
      await new Promise<void>((resolve, reject) => {
        const late = () => reject(new Error(`${replies.length} of ${count} replies`));
        const timer = setTimeout(late, DEADLINE_MS);
        onReply = () => {
          if (replies.length < count) return;
          clearTimeout(timer);
          resolve();
        };
        onReply();
      });
      return replies;
    },
    close: () => socket.close(),
  };
}

/** All that comes back on one connection that sends this and then no more; each message without its length. */
export async function overTcp(port: number, sent: Uint8Array): Promise<Uint8Array[]> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const received = receiveAll(socket);
  socket.end(sent);
  const bytes = await received;
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) throw new Error('a message cut short');
    messages.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return messages;
}

export function framed(packets: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(packets.flatMap((packet) => [Uint8Array.of(packet.length >> 8, packet.length & 0xff), packet]));
}

async function receiveAll(socket: Socket): Promise<Buffer> {
  const timer = setTimeout(() => socket.destroy(new Error('the connection stays open')), DEADLINE_MS);
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  clearTimeout(timer);
  return Buffer.concat(chunks);
}
