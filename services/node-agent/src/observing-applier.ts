/** Programs nothing, and knows what whoever programs this node should have in its kernel. */
import { type ProxyPlan, type RulesBackend, serviceKeyText } from '@signalbox/contracts';
import type { RenderOptions } from '@signalbox/rules';
import type { Applied, Applier, ApplyRequest, ProgrammedRules } from './applier.ts';

export class ObservingApplier implements Applier {
  readonly backend: RulesBackend;
  readonly #plans = new Map<string, ProxyPlan>();
  #options: RenderOptions;
  #version = 0;

  constructor(options: RenderOptions) {
    this.backend = options.backend;
    this.#options = options;
  }

  get programmed(): ProgrammedRules | undefined {
    if (this.#version === 0) return undefined;
    return { version: this.#version, plans: [...this.#plans.values()], options: this.#options };
  }

  async apply({ changes, node }: ApplyRequest): Promise<Applied> {
    for (const { key, plan } of changes) {
      if (plan === undefined) this.#plans.delete(serviceKeyText(key));
      else this.#plans.set(serviceKeyText(key), plan);
    }
    if (node !== undefined) this.#options = { ...this.#options, node };
    this.#version += 1;
    return { skippedServices: [] };
  }

  async cleanup(): Promise<void> {}

  async close(): Promise<void> {}
}
