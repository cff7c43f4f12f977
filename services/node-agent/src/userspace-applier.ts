/** The balancer of this process as an applier: nothing of it outlives the process. */

import type { RulesNode } from '@signalbox/rules';
import type { Applied, Applier, ApplyRequest } from './applier.ts';
import { openUserspaceBalancer, type UserspaceBalancer, type UserspaceOptions } from './userspace/index.ts';

export class UserspaceApplier implements Applier {
  readonly backend = 'userspace';
  readonly programmed = undefined;
  readonly #balancer: UserspaceBalancer;
  #node: RulesNode;

  constructor(node: RulesNode, options: UserspaceOptions) {
    this.#balancer = openUserspaceBalancer(options);
    this.#node = node;
  }

  async apply({ changes, node }: ApplyRequest): Promise<Applied> {
    if (node !== undefined) this.#node = node;
    await this.#balancer.update(changes, this.#node);
    const failed = this.#balancer.listeners().filter(({ state }) => state === 'failed');
    const services = [...this.#balancer.skipped(), ...failed].map(({ service }) => service);
    return { skippedServices: [...new Set(services)] };
  }

  async cleanup(): Promise<void> {}

  async close(): Promise<void> {
    await this.#balancer.close();
  }
}
