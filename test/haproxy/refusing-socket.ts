/** Stands between a driver and the runtime socket of its HAProxy, which can be made to refuse what would change a server. */
import { rename } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

export interface RefusingSocket {
  /** Where HAProxy listens now. */
  readonly realPath: string;
  isRefusing: boolean;
  /** Commands that were refused. */
  readonly refused: number;
  close(): Promise<void>;
}

/** HAProxy has no such server: the refusal is its own. */
const REFUSED_BY_ALL = 'set server nobody/nothing state ready';

export async function startRefusingSocket(path: string): Promise<RefusingSocket> {
  const realPath = `${path}.real`;
  await rename(path, realPath);
  let refused = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const haproxy = connect(realPath);
    haproxy.pipe(client);
    for (const socket of [client, haproxy]) socket.on('error', () => socket.destroy());
    const lines = createInterface({ input: client });
    lines.on('line', (line) => {
      const isRefused = socket.isRefusing && /^(set|add|del|enable) (server|health) /.test(line);
      if (isRefused) refused += 1;
      haproxy.write(`${isRefused ? REFUSED_BY_ALL : line}\n`);
    });
    lines.on('close', () => haproxy.end());
  });
  const socket: RefusingSocket = {
    realPath,
    isRefusing: false,
    get refused() {
      return refused;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return socket;
}
