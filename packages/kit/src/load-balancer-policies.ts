/** The policy of each load-balancer class. Part of the join in service-index.ts. */
import type { LoadBalancerPolicySpec, ServiceObject } from '@signalbox/contracts';

export class LoadBalancerPolicies {
  readonly #specs = new Map<string, LoadBalancerPolicySpec>();

  /** Undefined: the policy is gone. Returns the classes whose Services this may change. */
  put(name: string, spec: LoadBalancerPolicySpec | undefined): ReadonlySet<string> {
    const before = this.#specs.get(name);
    if (spec === undefined) this.#specs.delete(name);
    else this.#specs.set(name, spec);
    return new Set([before, spec].flatMap((each) => each?.loadBalancerClass ?? []));
  }

  clear(): void {
    this.#specs.clear();
  }

  /** One policy per class is meant; of several the first by name counts. */
  viewOf(service: ServiceObject): { readonly loadBalancerPolicy?: LoadBalancerPolicySpec } {
    if (this.#specs.size === 0 || service.spec.type !== 'LoadBalancer') return {};
    const wanted = service.spec.loadBalancerClass ?? '';
    const named = [...this.#specs].filter(([, { loadBalancerClass }]) => loadBalancerClass === wanted);
    const [first] = named.sort(([left], [right]) => (left < right ? -1 : 1));
    return first === undefined ? {} : { loadBalancerPolicy: first[1] };
  }
}
