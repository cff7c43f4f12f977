/**
 * Who gets which address of the pools. Pure: what is given out is read from the log and planned anew, so a restart keeps
 * every address, and equal inputs give equal plans whatever their order.
 *
 *   1. Who has an address keeps it, also when the pools no longer hold it: an edit of a pool must not cut a service off.
 *      Where Services no longer agree on sharing one, those stay that did not change.
 *   2. Who asks for an address gets it if a pool of the class holds it and nobody has it; it keeps what it has until then.
 *   3. The others get one that their sharing key has already, or the lowest free one, in the order of pools and ranges.
 *
 * Within each step claims come in the order of their names. An address that a claim leaves is free from the next plan on.
 */
import { type AddressPool, type ServiceKey, serviceKeyText } from '@signalbox/contracts';
import { addressFamily } from '../address.ts';
import { type AddressRange, contains, type Family, firstFree, parseRange } from './address-range.ts';
import type { PoolClaim, Sharing } from './pool-claim.ts';

export interface AllocatedAddresses {
  readonly key: ServiceKey;
  readonly addresses: readonly string[];
  /** Names of the pools, in order of the addresses; empty for addresses that no pool holds any longer. */
  readonly pools: readonly string[];
  readonly sharing: Sharing | undefined;
  /** What could not be done, for the owner of the Service; empty when it has all that it asked for. */
  readonly problem: string;
}

export interface AddressPlanInput {
  readonly claims: readonly PoolClaim[];
  /** By load-balancer class. Claims of other classes get nothing, and keep what they have. */
  readonly pools: ReadonlyMap<string, readonly AddressPool[]>;
  /** Given out by earlier plans, by `serviceKeyText`; also to Services that cannot be seen now. */
  readonly current: ReadonlyMap<string, Pick<AllocatedAddresses, 'addresses' | 'sharing'>>;
  /** Addresses that others than these pools gave to a Service, by `serviceKeyText`. */
  readonly elsewhere: ReadonlyMap<string, readonly string[]>;
}

/** One for each claim that has, or should have, an address from a pool. */
export function planAddresses(input: AddressPlanInput): AllocatedAddresses[] {
  const plan = new AddressPlan(input);
  return plan.make();
}

type Holder = Pick<PoolClaim, 'sharing'>;

interface NamedRange extends AddressRange {
  readonly pool: string;
}

class AddressPlan {
  readonly #claims: readonly PoolClaim[];
  readonly #current: AddressPlanInput['current'];
  readonly #ranges: ReadonlyMap<string, readonly NamedRange[]>;
  /** Address → who has it: claims, and Services of which no more is known than how they share. */
  readonly #holders = new Map<string, Holder[]>();
  readonly #given = new Map<PoolClaim, Map<Family, string>>();
  readonly #problems = new Map<PoolClaim, string[]>();

  constructor({ claims, pools, current, elsewhere }: AddressPlanInput) {
    this.#claims = [...claims].sort((a, b) => (serviceKeyText(a.key) < serviceKeyText(b.key) ? -1 : 1));
    this.#current = current;
    this.#ranges = new Map([...pools].map(([className, list]) => [className, list.flatMap(rangesOf)]));
    const known = new Set(claims.map(({ key }) => serviceKeyText(key)));
    for (const [text, { addresses, sharing }] of current) if (!known.has(text)) this.#reserve(addresses, { sharing });
    for (const addresses of elsewhere.values()) this.#reserve(addresses, { sharing: undefined });
  }

  make(): AllocatedAddresses[] {
    const [unchanged, changed] = this.#byChange();
    for (const claim of [...unchanged, ...changed]) this.#keep(claim);
    const served = this.#claims.filter((claim) => this.#ranges.has(claim.loadBalancerClass));
    for (const claim of served) this.#honour(claim);
    for (const claim of served) this.#complete(claim);
    return this.#claims.flatMap((claim) => this.#result(claim) ?? []);
  }

  #byChange(): [PoolClaim[], PoolClaim[]] {
    const isUnchanged = ({ key, sharing }: PoolClaim) =>
      JSON.stringify(this.#current.get(serviceKeyText(key))?.sharing) === JSON.stringify(sharing);
    return [this.#claims.filter(isUnchanged), this.#claims.filter((claim) => !isUnchanged(claim))];
  }

  #reserve(addresses: readonly string[], holder: Holder): void {
    for (const address of addresses) this.#hold(address, holder);
  }

  #hold(address: string, holder: Holder): void {
    this.#holders.set(address, [...(this.#holders.get(address) ?? []), holder]);
  }

  #keep(claim: PoolClaim): void {
    for (const address of this.#current.get(serviceKeyText(claim.key))?.addresses ?? []) {
      if (claim.families.includes(addressFamily(address)) && this.#isFreeFor(claim, address))
        this.#give(claim, address);
    }
  }

  #honour(claim: PoolClaim): void {
    for (const text of claim.unreadable) this.#complain(claim, `${text} is no address`);
    for (const address of claim.requested) {
      const family = addressFamily(address);
      if (this.#given.get(claim)?.get(family) === address) continue;
      const reason = this.#refusal(claim, address);
      if (reason === undefined) this.#give(claim, address);
      else this.#complain(claim, `${address} ${reason}`);
    }
  }

  #refusal(claim: PoolClaim, address: string): string | undefined {
    if (!claim.families.includes(addressFamily(address))) return 'is not of a family of this Service';
    if (!this.#rangesOf(claim).some((range) => contains(range, address))) return 'is in no pool of this class';
    return this.#isFreeFor(claim, address) ? undefined : 'is in use';
  }

  /** A Service that asked for an address gets no other one: it would be reachable where nobody expects it. */
  #complete(claim: PoolClaim): void {
    for (const family of claim.families) {
      const hasAsked = claim.unreadable.length > 0 || claim.requested.some((each) => addressFamily(each) === family);
      if (hasAsked || this.#given.get(claim)?.has(family)) continue;
      const address = this.#shared(claim, family) ?? this.#lowestFree(claim, family);
      if (address !== undefined) this.#give(claim, address);
      else this.#complain(claim, `no ${family} address is free in ${this.#poolNames(claim)}`);
    }
  }

  #shared(claim: PoolClaim, family: Family): string | undefined {
    if (claim.sharing === undefined) return undefined;
    const ranges = this.#rangesOf(claim);
    const addresses = [...this.#holders.keys()].filter(
      (address) =>
        addressFamily(address) === family &&
        ranges.some((range) => contains(range, address)) &&
        this.#isFreeFor(claim, address),
    );
    return addresses.sort()[0];
  }

  #lowestFree(claim: PoolClaim, family: Family): string | undefined {
    for (const range of this.#rangesOf(claim)) {
      if (range.family !== family) continue;
      const address = firstFree(range, (candidate) => this.#holders.has(candidate));
      if (address !== undefined) return address;
    }
    return undefined;
  }

  #isFreeFor(claim: PoolClaim, address: string): boolean {
    return (this.#holders.get(address) ?? []).every((holder) => holder === claim || canShare(claim, holder));
  }

  /** What it had of this family stays held until the next plan. */
  #give(claim: PoolClaim, address: string): void {
    const given = this.#given.get(claim) ?? new Map<Family, string>();
    this.#given.set(claim, given.set(addressFamily(address), address));
    this.#hold(address, claim);
  }

  #complain(claim: PoolClaim, problem: string): void {
    this.#problems.set(claim, [...(this.#problems.get(claim) ?? []), problem]);
  }

  #result(claim: PoolClaim): AllocatedAddresses | undefined {
    const given = this.#given.get(claim);
    const addresses = claim.families.flatMap((family) => given?.get(family) ?? []);
    const ranges = this.#rangesOf(claim);
    const pools = addresses.map((address) => ranges.find((range) => contains(range, address))?.pool ?? '');
    const orphans = addresses.filter((_address, index) => pools[index] === '');
    for (const address of orphans) this.#complain(claim, `${address} is kept, although no pool of this class holds it`);
    const problem = (this.#problems.get(claim) ?? []).join('; ');
    if (addresses.length === 0 && problem === '') return undefined;
    return { key: claim.key, addresses, pools, sharing: claim.sharing, problem };
  }

  #rangesOf(claim: PoolClaim): readonly NamedRange[] {
    const ranges = this.#ranges.get(claim.loadBalancerClass) ?? [];
    return claim.pool === undefined ? ranges : ranges.filter(({ pool }) => pool === claim.pool);
  }

  #poolNames(claim: PoolClaim): string {
    const names = [...new Set(this.#rangesOf(claim).map(({ pool }) => pool))];
    return names.length === 0 ? `pool ${claim.pool ?? ''}, which this class does not have` : `pool ${names.join(', ')}`;
  }
}

function rangesOf(pool: AddressPool): NamedRange[] {
  return pool.ranges.flatMap((text) => {
    const range = parseRange(text);
    return range === undefined ? [] : [{ ...range, pool: pool.name }];
  });
}

function canShare({ sharing: left }: Holder, { sharing: right }: Holder): boolean {
  if (left === undefined || right === undefined) return false;
  const hasSamePort = left.ports.some((port) => right.ports.includes(port));
  return left.key === right.key && left.policy === right.policy && !hasSamePort;
}
