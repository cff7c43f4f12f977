/** Whether addresses can be listened on: one that cannot would make HAProxy refuse the whole configuration. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Listener, listenerText } from './config/proxy.ts';

/** What HAProxy would fail with as well. A missing right to low ports may be this process's alone. */
const OBSTACLES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine does not have the address',
};

/** Listener → why it cannot be had, for those that cannot. */
export async function probeListeners(listeners: readonly Listener[]): Promise<Map<string, string>> {
  const obstacles = await Promise.all(listeners.map(obstacleOf));
  return new Map(listeners.flatMap((listener, i) => (obstacles[i] ? [[listenerText(listener), obstacles[i]]] : [])));
}

async function obstacleOf({ address, port }: Listener): Promise<string | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return OBSTACLES[(error as NodeJS.ErrnoException).code ?? ''];
  } finally {
    server.close();
  }
}
