/** Relays in front of and between the servers of a NATS cluster, so that a test can take a server out of the network. */
import { type RelayState, startTcpRelay, type TcpRelay } from './tcp-relay.ts';

export interface NatsPorts {
  readonly client: number;
  readonly route: number;
}

export interface NatsNetwork {
  /** For clients, one for each server. */
  readonly urls: readonly string[];
  /** The part of a server's configuration that makes it use the relays; by its number. */
  configOf(index: number): string;
  /** What passes between this server and the others; its clients still reach it. */
  setRoutes(index: number, state: RelayState): void;
  /** Breaks the connections of all clients of this server; they may come again. */
  breakClients(index: number): void;
  close(): Promise<void>;
}

/** Servers are told each other's addresses by each other; this one leads nowhere, so that all traffic goes by relays. */
const NOWHERE = '127.0.0.1:1';

/** `portsOf` a server, by its number, is asked at each connection: relays have their own ports before servers get theirs. */
export async function startNatsNetwork(size: number, portsOf: (index: number) => NatsPorts): Promise<NatsNetwork> {
  const indexes = Array.from({ length: size }, (_, index) => index);
  const clients = await Promise.all(indexes.map((index) => startTcpRelay(() => portsOf(index).client)));
  const routes = new Map<string, TcpRelay>();
  for (const [from, to] of indexes.flatMap((from) => indexes.map((to) => [from, to] as const))) {
    if (from !== to) routes.set(`${from} ${to}`, await startTcpRelay(() => portsOf(to).route));
  }
  const urls = clients.map(({ port }) => `nats://127.0.0.1:${port}`);
  return {
    urls,
    configOf: (index) => {
      const others = [...routes].filter(([key]) => key.startsWith(`${index} `)).map(([, { port }]) => port);
      const list = JSON.stringify(others.map((port) => `nats://127.0.0.1:${port}`));
      const listen = `listen: "127.0.0.1:${portsOf(index).route}", advertise: "${NOWHERE}"`;
      const advertised = urls[index]?.replace('nats://', '');
      return `client_advertise: "${advertised}"\ncluster { name: test, ${listen}, routes: ${list} }`;
    },
    setRoutes: (index, state) => {
      for (const [key, relay] of routes) if (key.split(' ').includes(String(index))) relay.set(state);
    },
    breakClients: (index) => clients[index]?.breakConnections(),
    close: async () => {
      await Promise.all([...clients, ...routes.values()].map((relay) => relay.close()));
    },
  };
}
