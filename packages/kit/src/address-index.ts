/** Addresses that load balancers have by intent, and the Services that have them. Part of the join in service-index.ts. */
import {
  type LoadBalancerAddressObject,
  type ServiceKey,
  type ServiceObject,
  serviceKeyText,
} from '@signalbox/contracts';

export class AddressIndex {
  readonly #objects = new Map<string, LoadBalancerAddressObject>();
  readonly #byService = new Map<string, LoadBalancerAddressObject[]>();

  /** Undefined: the intent is gone. Returns the Services that are touched, as the intent named them before and now. */
  put(name: string, object: LoadBalancerAddressObject | undefined): ServiceKey[] {
    const before = this.#objects.get(name);
    if (before !== undefined) this.#edit(before, (known) => known.filter((other) => other !== before));
    if (object === undefined) {
      this.#objects.delete(name);
    } else {
      this.#objects.set(name, object);
      this.#edit(object, (known) => [...known, object].sort(byName));
    }
    return [before, object].flatMap((one) => (one === undefined ? [] : [one.spec.service]));
  }

  clear(): void {
    this.#objects.clear();
    this.#byService.clear();
  }

  /**
   * The Service as compilers see it: what its own status says of its load balancer, else what an intent says. Of several
   * intents for one Service (there should be one) the first by name counts, so that every replica sees the same.
   */
  join(key: ServiceKey, service: ServiceObject): ServiceObject {
    const [address] = this.#byService.get(serviceKeyText(key)) ?? [];
    if (address === undefined || service.spec.type !== 'LoadBalancer') return service;
    if ((service.status?.loadBalancer?.ingress ?? []).length > 0) return service;
    return { ...service, status: { loadBalancer: { ingress: address.spec.ingress } } };
  }

  #edit(
    { spec }: LoadBalancerAddressObject,
    edit: (known: readonly LoadBalancerAddressObject[]) => LoadBalancerAddressObject[],
  ): void {
    const text = serviceKeyText(spec.service);
    const addresses = edit(this.#byService.get(text) ?? []);
    if (addresses.length === 0) this.#byService.delete(text);
    else this.#byService.set(text, addresses);
  }
}

function byName(left: LoadBalancerAddressObject, right: LoadBalancerAddressObject): number {
  return left.metadata.name < right.metadata.name ? -1 : 1;
}
