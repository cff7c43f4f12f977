/**
 * All that the allocator of addresses knows, message by message, and what it would change. Pure state, no I/O.
 *
 * A Service whose cluster is known but has not synced is unknown, not gone: it keeps its addresses. They are given back
 * when the Service is deleted, changes its type, or when its cluster is forgotten.
 */
import {
  type AddressPool,
  type ClusterObject,
  type LoadBalancerAddressObject,
  type LoadBalancerPolicyObject,
  type LogObject,
  nameForService,
  type ObjectKey,
  type ServiceKey,
  serviceKeyText,
} from '@signalbox/contracts';
import { canonicalAddress } from '../address.ts';
import { parseRange } from './address-range.ts';
import { type AllocatedAddresses, planAddresses } from './plan-addresses.ts';
import { type PoolClaim, poolClaimOf } from './pool-claim.ts';

export interface AddressChange {
  /** Of the intent. */
  readonly name: string;
  /** Undefined: the addresses are given back. */
  readonly object: LoadBalancerAddressObject | undefined;
}

export class AddressBook {
  readonly #claims = new Map<string, PoolClaim>();
  readonly #clusters = new Map<string, ClusterObject>();
  readonly #policies = new Map<string, LoadBalancerPolicyObject>();
  readonly #addresses = new Map<string, LoadBalancerAddressObject>();

  /** Undefined: the object is gone. Kinds that do not bear on addresses are ignored. */
  apply(key: ObjectKey, object: LogObject | undefined): void {
    if (key.kind === 'Service') this.#applyService(key, object);
    if (key.kind === 'Cluster') put(this.#clusters, key.name, object?.kind === key.kind ? object : undefined);
    if (key.kind === 'LoadBalancerPolicy')
      put(this.#policies, key.name, object?.kind === key.kind ? object : undefined);
    if (key.kind === 'LoadBalancerAddress')
      put(this.#addresses, key.name, object?.kind === key.kind ? object : undefined);
  }

  /** Whether there is anything to allocate, or anything that may have to be given back. */
  get isNeeded(): boolean {
    const hasPools = [...this.#policies.values()].some(({ spec }) => (spec.addressPools ?? []).length > 0);
    return hasPools || [...this.#addresses.values()].some(isOfPool);
  }

  /** What the log should hold and does not. Empty when all is as planned. */
  changes(): AddressChange[] {
    const wanted = new Map(this.#plan().map((one) => [nameForService(one.key), intentOf(one)]));
    const changes: AddressChange[] = [];
    for (const [name, object] of wanted) {
      if (JSON.stringify(this.#addresses.get(name)) !== JSON.stringify(object)) changes.push({ name, object });
    }
    for (const [name, object] of this.#addresses) {
      if (isOfPool(object) && !wanted.has(name) && !this.#isUnknown(object.spec.service)) {
        changes.push({ name, object: undefined });
      }
    }
    return changes.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Free and given addresses, by pool; for metrics. Pools of IPv6 may hold more than a number can say exactly. */
  poolUse(): { pool: string; size: number; used: number }[] {
    const used = new Map<string, Set<string>>();
    for (const { spec } of [...this.#addresses.values()].filter(isOfPool)) {
      for (const [index, pool] of poolsOf(spec.source).entries()) {
        const address = spec.ingress[index]?.ip;
        if (address !== undefined) used.set(pool, (used.get(pool) ?? new Set()).add(address));
      }
    }
    return [...this.#pools().values()].flat().map((pool) => ({
      pool: pool.name,
      size: pool.ranges.reduce((sum, text) => sum + sizeOf(text), 0),
      used: used.get(pool.name)?.size ?? 0,
    }));
  }

  #applyService(key: ServiceKey, object: LogObject | undefined): void {
    const place = { cluster: key.cluster, namespace: key.namespace, name: key.name };
    const claim = object?.kind === 'Service' ? poolClaimOf(place, object) : undefined;
    put(this.#claims, serviceKeyText(place), claim);
  }

  #plan(): AllocatedAddresses[] {
    const current = new Map<string, Pick<AllocatedAddresses, 'addresses' | 'sharing'>>();
    const elsewhere = new Map<string, string[]>();
    for (const object of this.#addresses.values()) {
      const text = serviceKeyText(object.spec.service);
      const addresses = object.spec.ingress.flatMap(({ ip }) => canonicalAddress(ip ?? '') ?? []);
      if (isOfPool(object)) current.set(text, { addresses, sharing: object.spec.sharing });
      else elsewhere.set(text, addresses);
    }
    const claims = [...this.#claims].filter(([text, claim]) => {
      const own = current.get(text)?.addresses ?? [];
      const others = claim.status.filter((address) => !own.includes(address));
      if (others.length > 0) elsewhere.set(text, [...(elsewhere.get(text) ?? []), ...others]);
      return others.length === 0 && !elsewhere.has(text);
    });
    return planAddresses({ claims: claims.map(([, claim]) => claim), pools: this.#pools(), current, elsewhere });
  }

  /** By class. Of two policies for one class the first by name counts. */
  #pools(): Map<string, readonly AddressPool[]> {
    const pools = new Map<string, readonly AddressPool[]>();
    for (const [, { spec }] of [...this.#policies].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const own = spec.addressPools ?? [];
      if (own.length > 0 && !pools.has(spec.loadBalancerClass)) pools.set(spec.loadBalancerClass, own);
    }
    return pools;
  }

  #isUnknown(service: ServiceKey): boolean {
    const cluster = this.#clusters.get(service.cluster);
    return cluster !== undefined && !cluster.syncedKinds.includes('Service');
  }
}

const POOL_SOURCE = 'pool:';

function isOfPool({ spec }: LoadBalancerAddressObject): boolean {
  return spec.source.startsWith(POOL_SOURCE);
}

function poolsOf(source: string): string[] {
  return source.slice(POOL_SOURCE.length).split(',');
}

function intentOf({ key, addresses, pools, sharing, problem }: AllocatedAddresses): LoadBalancerAddressObject {
  return {
    kind: 'LoadBalancerAddress',
    metadata: { name: nameForService(key) },
    spec: {
      service: key,
      ingress: addresses.map((ip) => ({ ip })),
      source: `${POOL_SOURCE}${pools.join(',')}`,
      ...(sharing === undefined ? {} : { sharing: { ...sharing, ports: [...sharing.ports] } }),
      ...(problem === '' ? {} : { problem: problem.slice(0, 2_000) }),
    },
  };
}

function sizeOf(text: string): number {
  const range = parseRange(text);
  return range === undefined ? 0 : Number(range.last - range.first + 1n);
}

function put<Value>(map: Map<string, Value>, key: string, value: Value | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
