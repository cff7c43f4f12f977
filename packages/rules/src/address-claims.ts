/** Which service port has which address and port: a ruleset can hold a key once. */
import { compareText } from './addresses.ts';
import type { NodePlan } from './node-plan.ts';

/** One service port of one plan. */
export interface Claimant {
  readonly plan: NodePlan;
  readonly portIndex: number;
  /** kube-proxy's name of the service port: `namespace/name`, and `:port` unless the port has no name. */
  readonly id: string;
}

const TIERS = ['first', 'second', 'last'] as const;

/** One service port's wish for one key, for example `10.96.0.10 tcp port 80`. */
export interface Claim {
  readonly key: string;
  /** The address itself; empty for node ports and names. */
  readonly address: string;
  /** Cluster IPs, and the names of service ports, go before everything external; what lingers goes behind everybody. */
  readonly tier: (typeof TIERS)[number];
  readonly claimant: Claimant;
  /** Where in the plan the claim is made, for reports. */
  readonly path: string;
}

/**
 * Who holds a key depends on who claims it now, never on who came first, so that the same plans give the same rules in
 * whatever order they were learned: the tiers (no external IP can capture a cluster IP's traffic), then the order of
 * names, then that of ports. A key that is let go passes to the next claimant.
 */
export class AddressClaims {
  readonly #claims = new Map<string, Claim[]>();

  /** Gives those who had the key, or waited for it: for them something is different now. */
  add(claim: Claim): Claimant[] {
    const claims = this.#claims.get(claim.key);
    if (claims === undefined) {
      this.#claims.set(claim.key, [claim]);
      return [];
    }
    const index = claims.findIndex((other) => compareClaims(claim, other) < 0);
    claims.splice(index < 0 ? claims.length : index, 0, claim);
    return claims[0] === claim ? claims.slice(1).map(({ claimant }) => claimant) : [];
  }

  /** Gives those who waited for the key, if it was held by the claim. */
  remove(claim: Claim): Claimant[] {
    const claims = this.#claims.get(claim.key) ?? [];
    const index = claims.indexOf(claim);
    if (index < 0) return [];
    claims.splice(index, 1);
    if (claims.length === 0) this.#claims.delete(claim.key);
    return index === 0 ? claims.map(({ claimant }) => claimant) : [];
  }

  holderOf(key: string): Claim | undefined {
    return this.#claims.get(key)?.[0];
  }
}

function compareClaims(a: Claim, b: Claim): number {
  return TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) || compareClaimants(a.claimant, b.claimant);
}

function compareClaimants(a: Claimant, b: Claimant): number {
  return (
    compareText(a.plan.namespace, b.plan.namespace) ||
    compareText(a.plan.name, b.plan.name) ||
    compareText(a.plan.cluster, b.plan.cluster) ||
    a.portIndex - b.portIndex
  );
}
