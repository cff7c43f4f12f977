/** UDP: the first datagram of a client picks an endpoint, and later ones follow it until the flow has been idle. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { PlanEndpoint } from '@signalbox/contracts';
import { endpointKey } from './endpoint-choice.ts';
import type { FlowTable } from './flow-table.ts';
import type { ListenAt, Listener } from './listener.ts';

interface UdpOptions {
  readonly choose: (client: string) => PlanEndpoint | undefined;
  readonly flows: FlowTable<UdpFlow>;
  readonly now: () => number;
  /** Called for each datagram that nothing could take. */
  readonly onDropped: () => void;
}

export interface UdpFlow {
  readonly key: string;
  readonly owner: Listener;
  readonly endpoint: string;
  usedAtMs: number;
  /** Towards the endpoint; dropped when too many wait for the socket. */
  send(datagram: Buffer): void;
  close(): void;
}

/** Datagrams that may wait while a flow's socket gets ready. */
const WAITING_MAX = 16;

/** Closing it ends its flows: without its service there is nothing that their answers could come from. */
export async function openUdpListener(at: ListenAt, options: UdpOptions): Promise<Listener> {
  const socket = udpSocket(at.address);
  const listener: Listener = {
    close: () => {
      options.flows.endWhere((flow) => flow.owner === listener);
      socket.close();
    },
  };
  const name = `${at.address} ${at.port}`;
  socket.on('message', (datagram, client) => {
    // Port 0 cannot be answered, and sending there throws.
    if (client.port === 0) return;
    const key = `${name} ${client.address} ${client.port}`;
    const flow = options.flows.get(key) ?? openFlow({ key, owner: listener, socket, client }, options);
    if (flow === undefined) {
      options.onDropped();
      return;
    }
    options.flows.touch(flow);
    flow.send(datagram);
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', fail);
    socket.bind({ address: at.address, port: at.port }, () => {
      socket.off('error', fail);
      resolve();
    });
  });
  // A datagram that could not be sent is lost, as any other on its way.
  socket.on('error', () => {});
  return listener;
}

interface FlowStart {
  readonly key: string;
  readonly owner: Listener;
  readonly socket: Socket;
  readonly client: RemoteInfo;
}

function openFlow({ key, owner, socket, client }: FlowStart, options: UdpOptions): UdpFlow | undefined {
  const endpoint = options.choose(client.address);
  if (endpoint === undefined) return undefined;
  const upstream = udpSocket(endpoint.address);
  let waiting: Buffer[] | undefined = [];
  const flow: UdpFlow = {
    key,
    owner,
    endpoint: endpointKey(endpoint),
    usedAtMs: options.now(),
    send: (datagram) => {
      if (waiting === undefined) upstream.send(datagram, ignoreLoss);
      else if (waiting.length < WAITING_MAX) waiting.push(datagram);
      else options.onDropped();
    },
    close: () => upstream.close(),
  };
  options.flows.add(flow);
  // The endpoint's port is closed, or its host gone: the client's next datagram picks anew.
  upstream.on('error', () => options.flows.end(flow));
  upstream.on('message', (datagram) => {
    options.flows.touch(flow);
    socket.send(datagram, client.port, client.address, ignoreLoss);
  });
  // A connected socket hears of ICMP errors, and nobody but the endpoint can answer through it.
  upstream.connect(endpoint.port, endpoint.address, () => {
    const first = waiting ?? [];
    waiting = undefined;
    for (const datagram of first) upstream.send(datagram, ignoreLoss);
  });
  return flow;
}

function ignoreLoss(): void {}

function udpSocket(address: string): Socket {
  const isV6 = isIPv6(address);
  return createSocket({
    type: isV6 ? 'udp6' : 'udp4',
    ipv6Only: isV6,
    // Addresses are literal always: nothing to look up.
    lookup: (host, _options, callback) => callback(null, host, isV6 ? 6 : 4),
  });
}
