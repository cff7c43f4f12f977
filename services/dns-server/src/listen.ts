/** UDP and TCP on the same address and port. */
import type { Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { createTcpListener, listenTcp, type TcpSettings } from './tcp-listener.ts';
import type { AnswerDatagram, AnswerPacket, ListenAddress } from './transport.ts';
import { answerOverUdp, bindUdp, closeUdp, createUdpSocket, type Peer, serveUdp } from './udp-listener.ts';

export interface Listener {
  /** With the port that was taken. */
  readonly address: ListenAddress;
  /** Called when a socket fails after it was opened. */
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
  /** Other processes may take packets from it too. */
  readonly udp: Socket;
  /** Answers a packet that another process took from it. */
  answerOverUdp(packet: Uint8Array, peer: Peer): void;
}

export interface Answerers {
  readonly udp: AnswerDatagram;
  readonly tcp: AnswerPacket;
}

/** A free TCP port need not be a free UDP port; with port 0 so many are tried. */
const PORT_ATTEMPTS = 10;

/** Throws `invalid` for what is no address, or cannot be bound, with the reason. */
export async function openListener(
  wanted: ListenAddress,
  answerers: Answerers,
  settings: TcpSettings,
): Promise<Listener> {
  if (isIP(wanted.address) === 0) {
    throw new SignalboxError('invalid', `DNS cannot listen on ${JSON.stringify(wanted.address)}: not an IP address`);
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await openBoth(wanted, answerers, settings);
    } catch (error) {
      if (wanted.port === 0 && attempt < PORT_ATTEMPTS) continue;
      const where = `${wanted.address} port ${wanted.port}`;
      throw new SignalboxError('invalid', `DNS cannot listen on ${where}: ${errorText(error)}`, { cause: error });
    }
  }
}

async function openBoth(wanted: ListenAddress, answerers: Answerers, settings: TcpSettings): Promise<Listener> {
  const tcp = createTcpListener(answerers.tcp, settings);
  const port = await listenTcp(tcp.server, wanted);
  const udp = createUdpSocket(wanted.address);
  const answer = (packet: Uint8Array, peer: Peer) => answerers.udp(packet, peer.address);
  serveUdp(udp, answer);
  try {
    await bindUdp(udp, { ...wanted, port });
  } catch (error) {
    await Promise.all([tcp.close(), closeUdp(udp)]);
    throw error;
  }
  return {
    address: { address: wanted.address, port },
    onError: (listener) => {
      tcp.server.on('error', listener);
      udp.on('error', listener);
    },
    close: async () => {
      await Promise.all([tcp.close(), closeUdp(udp)]);
    },
    udp,
    answerOverUdp: (packet, peer) => answerOverUdp(udp, answer, packet, peer),
  };
}

/** Where a server that listens there is reached: the addresses themselves, or those of the machine for a wildcard. */
export function reachableAddresses(listen: readonly ListenAddress[]): string[] {
  return [...new Set(listen.flatMap(({ address }) => (isWildcard(address) ? ofThisMachine(address) : [address])))];
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function ofThisMachine(wildcard: string): string[] {
  const family = wildcard === '::' ? 'IPv6' : 'IPv4';
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.filter((one) => one.family === family && !one.address.startsWith('fe80:'));
  const external = own.filter((one) => !one.internal);
  return (external.length > 0 ? external : own).map((one) => one.address);
}
