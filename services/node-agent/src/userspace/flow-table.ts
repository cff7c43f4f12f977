/** The UDP flows of all listeners: each is one client of one listener, and one socket towards its endpoint. */

interface Flow {
  readonly key: string;
  usedAtMs: number;
  /** Releases the socket; the table has forgotten the flow before. */
  close(): void;
}

interface FlowTableOptions {
  /** The flow that was quiet for longest ends when there are more. */
  readonly maxFlows: number;
  readonly idleMs: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Flows lie in the order of their last datagram. */
export class FlowTable<Item extends Flow> {
  readonly #options: FlowTableOptions;
  readonly #flows = new Map<string, Item>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: FlowTableOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.closeIdle(), Math.max(10, options.idleMs / 4)).unref();
  }

  get size(): number {
    return this.#flows.size;
  }

  get(key: string): Item | undefined {
    return this.#flows.get(key);
  }

  /** A datagram passed, in either direction. */
  touch(flow: Item): void {
    if (!this.#flows.delete(flow.key)) return;
    flow.usedAtMs = this.#options.now();
    this.#flows.set(flow.key, flow);
  }

  add(flow: Item): void {
    this.#flows.set(flow.key, flow);
    const [oldest] = this.#flows.values();
    if (this.#flows.size > this.#options.maxFlows && oldest !== undefined) this.end(oldest);
  }

  end(flow: Item): void {
    if (this.#flows.get(flow.key) !== flow) return;
    this.#flows.delete(flow.key);
    flow.close();
  }

  endWhere(isOver: (flow: Item) => boolean): void {
    for (const flow of this.#flows.values()) if (isOver(flow)) this.end(flow);
  }

  closeIdle(): void {
    const idleSince = this.#options.now() - this.#options.idleMs;
    for (const flow of this.#flows.values()) {
      if (flow.usedAtMs > idleSince) return;
      this.end(flow);
    }
  }

  close(): void {
    clearInterval(this.#sweep);
    this.endWhere(() => true);
  }
}
