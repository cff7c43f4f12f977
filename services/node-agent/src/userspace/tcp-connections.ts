/** The open TCP connections of all listeners: how many there may be, and how they end when the balancer does. */
import type { Socket } from 'node:net';

export class TcpConnections {
  readonly #max: number;
  readonly #clients = new Set<Socket>();
  /** Connections that were reset because there were too many, or nothing could serve them. */
  refused = 0;
  /** Attempts to reach an endpoint that were refused or took too long. */
  connectFailures = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#clients.size;
  }

  /** False when there are too many already. */
  add(client: Socket): boolean {
    if (this.#clients.size >= this.#max) return false;
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    return true;
  }

  /** Waits for the connections to end by themselves; what is open at the deadline is cut. */
  async end(timeoutMs: number): Promise<void> {
    const closed = [...this.#clients].map((client) => new Promise((resolve) => client.once('close', resolve)));
    const deadline = setTimeout(() => {
      for (const client of this.#clients) client.resetAndDestroy();
    }, timeoutMs);
    await Promise.all(closed);
    clearTimeout(deadline);
  }
}
