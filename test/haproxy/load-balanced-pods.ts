/** Real backend servers on loopback that end as pods do: they serve on while they terminate, and then close. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Pod {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly requests: number;
  /** As after SIGTERM: each answer says that the connection ends with it. */
  terminate(): void;
  /** Nothing is accepted any more; requests that are under way are answered. */
  end(): Promise<void>;
  /** Nothing is accepted any more, and open connections are cut. */
  kill(): Promise<void>;
}

/** Answers with its name. */
export async function startPod(name: string, address = '127.0.0.1', port = 0): Promise<Pod> {
  const state = { requests: 0, isTerminating: false };
  const server = createServer((_request, response) => {
    state.requests += 1;
    if (state.isTerminating) response.setHeader('connection', 'close');
    response.end(name);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return {
    name,
    address,
    port: (server.address() as AddressInfo).port,
    get requests() {
      return state.requests;
    },
    terminate: () => {
      state.isTerminating = true;
    },
    end: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    kill: () => close(server),
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
