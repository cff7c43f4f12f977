/** Which endpoint a client had last (`sessionAffinity: ClientIP`), for as long as the service says. */

interface Entry {
  readonly endpoint: string;
  readonly usedAtMs: number;
}

interface AffinityOptions {
  /** The client that was quiet for longest is forgotten when there are more. */
  readonly maxClients: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Entries lie in the order of their last use, so the oldest ones are always in front. */
export class AffinityTable {
  readonly #options: AffinityOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: AffinityOptions) {
    this.#options = options;
  }

  /** Undefined for a client that is new, or was away for longer than the timeout. */
  endpointOf(client: string, timeoutMs: number): string | undefined {
    const entry = this.#entries.get(client);
    if (entry === undefined || this.#options.now() - entry.usedAtMs >= timeoutMs) return undefined;
    return entry.endpoint;
  }

  /** Starts the client's time anew, as every connection does in kube-proxy. */
  remember(client: string, endpoint: string, timeoutMs: number): void {
    const usedAtMs = this.#options.now();
    this.#entries.delete(client);
    this.#entries.set(client, { endpoint, usedAtMs });
    for (const [oldest, entry] of this.#entries) {
      const isExpired = usedAtMs - entry.usedAtMs >= timeoutMs;
      if (!isExpired && this.#entries.size <= this.#options.maxClients) return;
      this.#entries.delete(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }
}
