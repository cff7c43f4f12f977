/** Which service port has which address and port: a ruleset can hold a key once. */
import { type Family, isCanonicalAddress } from './addresses.ts';
import type { SkippedOfService, TransportProtocol } from './service-rules.ts';
import { safeText } from './service-rules.ts';

export interface Claimant {
  /** Name of the service, for reports. */
  readonly service: string;
  /** Name of the service port: claiming twice what one already has is no conflict. */
  readonly id: string;
  readonly protocol: TransportProtocol;
}

/** First come, first served; whoever comes too late, or with what is no address, is reported and goes without. */
export class AddressClaims {
  readonly #family: Family;
  readonly #skipped: SkippedOfService[];
  readonly #holders = new Map<string, string>();

  constructor(family: Family, skipped: SkippedOfService[]) {
    this.#family = family;
    this.#skipped = skipped;
  }

  /** False when another service port has the same name and protocol. */
  claimName({ id, protocol }: Claimant): boolean {
    const key = `name ${protocol} ${id}`;
    if (this.#holders.has(key)) return false;
    this.#holders.set(key, id);
    return true;
  }

  /** Those of the addresses (of this family) that the claimant gets for the port. */
  claimAddresses(addresses: readonly string[], port: number, claimant: Claimant, path: string): string[] {
    return addresses.filter((address, index) => {
      const isInFamily = address.includes(':') === (this.#family === 'IPv6');
      if (!isInFamily) return false;
      const place = `${path}[${index}]`;
      if (isCanonicalAddress(address, this.#family)) return this.#claim(address, port, claimant, place);
      this.#skipped.push({ service: claimant.service, path: place, reason: 'is not a canonical IP address' });
      return false;
    });
  }

  claimNodePort(nodePort: number | undefined, claimant: Claimant, path: string): number | undefined {
    if (nodePort === undefined || !this.#claim('node', nodePort, claimant, path)) return undefined;
    return nodePort;
  }

  #claim(address: string, port: number, { service, id, protocol }: Claimant, path: string): boolean {
    const key = `${address} ${protocol} port ${port}`;
    const holder = this.#holders.get(key);
    if (holder === undefined) this.#holders.set(key, id);
    else if (holder !== id) this.#skipped.push({ service, path, reason: `${key} belongs to ${safeText(holder)}` });
    return holder === undefined;
  }
}
