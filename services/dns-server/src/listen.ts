/** UDP and TCP on the same address and port. */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { openUdpReceiver } from './open-receiver.ts';
import { createTcpListener, listenTcp, type TcpSettings } from './tcp-listener.ts';
import type { AnswerPacket, ListenAddress } from './transport.ts';
import type { ReceiverKind, UdpAnswers, UdpReceiver } from './udp-receiver.ts';

export interface Listener {
  /** With the port that was taken. */
  readonly address: ListenAddress;
  /** Called when a socket fails after it was opened. */
  onError(listener: (error: Error) => void): void;
  close(): Promise<void>;
  readonly udp: UdpReceiver;
}

export interface Answerers {
  readonly udp: UdpAnswers;
  readonly tcp: AnswerPacket;
}

interface ListenSettings extends TcpSettings {
  readonly receiver: ReceiverKind;
}

/** A free TCP port need not be a free UDP port; with port 0 so many are tried. */
const PORT_ATTEMPTS = 10;

/** Throws `invalid` for what is no address, or cannot be bound, with the reason. */
export async function openListener(
  wanted: ListenAddress,
  answerers: Answerers,
  settings: ListenSettings,
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

async function openBoth(wanted: ListenAddress, answerers: Answerers, settings: ListenSettings): Promise<Listener> {
  const tcp = createTcpListener(answerers.tcp, settings);
  const port = await listenTcp(tcp.server, wanted);
  const udp = await openUdpReceiver(settings.receiver, { ...wanted, port }, answerers.udp).catch(async (error) => {
    await tcp.close();
    throw error;
  });
  return {
    address: { address: wanted.address, port },
    onError: (listener) => {
      tcp.server.on('error', listener);
      udp.onError(listener);
    },
    close: async () => {
      await Promise.all([tcp.close(), udp.close()]);
    },
    udp,
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
