/** A TCP relay on loopback between two parties: a test breaks what goes through it, and neither of them is told. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * `passing`: as a wire · `held`: connections stay and are accepted, nothing comes through, as behind a router that has
 * lost its way · `cut`: what is open breaks, what is new is refused.
 */
export type RelayState = 'passing' | 'held' | 'cut';

export interface TcpRelay {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  set(state: RelayState): void;
  /** Breaks what is open; what is new passes, if it did before. */
  breakConnections(): void;
  close(): Promise<void>;
}

/** `target` is asked at each new connection, so that it may be chosen later. */
export async function startTcpRelay(target: () => number): Promise<TcpRelay> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let state: RelayState = 'passing';
  const breakConnections = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer({ pauseOnConnect: true }, (near) => {
    if (state === 'cut') near.resetAndDestroy();
    else join(near, connect({ port: target(), host: '127.0.0.1' }));
  });
  const join = (near: Socket, far: Socket): void => {
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      from.setNoDelay(true);
      from.on('error', () => {});
      from.once('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => {
        if (state === 'passing') from.resume();
      });
    }
    // A socket with a data listener flows from its connection on.
    if (state === 'held') hold(pair);
    else near.resume();
  };
  const hold = (pair: readonly [Socket, Socket]): void => {
    for (const socket of pair) socket.pause();
  };
  const release = (pair: readonly [Socket, Socket]): void => {
    for (const socket of pair) socket.resume();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    set: (next) => {
      state = next;
      if (next === 'cut') breakConnections();
      else for (const pair of pairs) (next === 'held' ? hold : release)(pair);
    },
    breakConnections,
    close: () => {
      breakConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
