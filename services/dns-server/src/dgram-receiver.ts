/** UDP one by one, with Node's sockets. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ListenAddress } from './transport.ts';
import type { Peer, UdpAnswers, UdpReceiver } from './udp-receiver.ts';

/** What comes in a pause of the event loop waits here. The system gives less where it is told to. */
const RECEIVE_BUFFER_BYTES = 2 ** 20;

export async function openDgramReceiver(where: ListenAddress, answers: UdpAnswers): Promise<UdpReceiver> {
  const type = isIPv6(where.address) ? 'udp6' : 'udp4';
  const family = type === 'udp6' ? 6 : 4;
  const socket = createSocket({
    type,
    ipv6Only: type === 'udp6',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Addresses are literal always: nothing to look up for each packet.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  const receiver = serveSocket(socket, answers);
  try {
    await bind(socket, where);
  } catch (error) {
    await receiver.close();
    throw error;
  }
  return receiver;
}

/** A socket that is bound, or will be. */
export function serveSocket(socket: Socket, answers: UdpAnswers): UdpReceiver {
  const answer = (packet: Uint8Array, peer: Peer) => {
    // Port 0 cannot be answered, and sending there throws.
    if (peer.port === 0) return;
    const message = answers.answer(packet, peer);
    if (message instanceof Promise) void message.then((late) => sendTo(socket, peer, late));
    else sendTo(socket, peer, message);
  };
  socket.on('message', answer);
  return {
    kind: 'dgram',
    get port() {
      return socket.address().port;
    },
    shared: { socket },
    answer,
    onError: (listener) => socket.on('error', listener),
    close: () =>
      new Promise((resolve) => {
        socket.close(() => resolve());
      }),
  };
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

function bind(socket: Socket, { address, port }: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
