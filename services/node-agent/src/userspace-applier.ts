/** The balancer of this process as an applier: nothing of it outlives the process. */
import type { Logger } from '@signalbox/kit';
import type { RulesNode } from '@signalbox/rules';
import type { Applied, Applier, ApplyRequest } from './applier.ts';
import {
  type ListenerStatus,
  openUserspaceBalancer,
  type UserspaceBalancer,
  type UserspaceOptions,
} from './userspace/index.ts';

export class UserspaceApplier implements Applier {
  readonly backend = 'userspace';
  readonly programmed = undefined;
  readonly #balancer: UserspaceBalancer;
  readonly #logger: Logger;
  #node: RulesNode;
  /** Places that could not be listened on, so that each is told once. */
  #told: ReadonlySet<string> = new Set();

  constructor(node: RulesNode, logger: Logger, options: UserspaceOptions) {
    this.#balancer = openUserspaceBalancer(options);
    this.#logger = logger;
    this.#node = node;
  }

  async apply({ changes, node }: ApplyRequest): Promise<Applied> {
    if (node !== undefined) this.#node = node;
    await this.#balancer.update(changes, this.#node);
    const failed = this.#balancer.listeners().filter(({ state }) => state === 'failed');
    this.#tell(failed);
    const services = [...this.#balancer.skipped(), ...failed].map(({ service }) => service);
    return { skippedServices: [...new Set(services)] };
  }

  async cleanup(): Promise<void> {}

  async close(): Promise<void> {
    await this.#balancer.close();
  }

  #tell(failed: readonly ListenerStatus[]): void {
    const places = new Map(
      failed.map((status) => [JSON.stringify([status.service, status.address, status.reason]), status]),
    );
    for (const [key, { service, via, address, port, reason }] of places) {
      if (this.#told.has(key)) continue;
      this.#logger.warn({ service, via, address, port, reason }, 'a service port cannot be listened on');
    }
    this.#told = new Set(places.keys());
  }
}
