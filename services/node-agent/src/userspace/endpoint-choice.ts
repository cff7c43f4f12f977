/** Which endpoint the next connection or datagram flow of a service port goes to. */
import { BlockList, isIPv6 } from 'node:net';
import type { PlanEndpoint } from '@signalbox/contracts';
import { boundedWeights, type RulesNode, type ServiceRules } from '@signalbox/rules';
import { AffinityTable } from './affinity-table.ts';
import { WeightedRoundRobin } from './weighted-round-robin.ts';

/** Cluster IPs, and the ports that stand for them, are internal; node ports are external. */
export type TrafficKind = 'internal' | 'external';

export interface Choice {
  /** The client's IP address. */
  readonly client: string;
  readonly traffic: TrafficKind;
  /** Endpoints that did not answer this client just now. */
  readonly tried?: ReadonlySet<string>;
}

interface ChoiceOptions {
  readonly maxAffinityClients: number;
  readonly now: () => number;
}

export function endpointKey({ address, port }: Pick<PlanEndpoint, 'address' | 'port'>): string {
  return `${address} ${port}`;
}

export class EndpointChoice {
  readonly #affinity: AffinityTable;
  readonly #cluster = new WeightedRoundRobin<PlanEndpoint>();
  readonly #local = new WeightedRoundRobin<PlanEndpoint>();
  #rules: ServiceRules | undefined;
  #nodeAddresses: readonly string[] = [];

  constructor({ maxAffinityClients, now }: ChoiceOptions) {
    this.#affinity = new AffinityTable({ maxClients: maxAffinityClients, now });
  }

  update(rules: ServiceRules, node: RulesNode): void {
    this.#rules = rules;
    this.#nodeAddresses = node.addresses;
    this.#cluster.replace(weighted(rules.cluster));
    this.#local.replace(weighted(rules.local));
    if (rules.affinitySeconds === undefined) this.#affinity.clear();
  }

  /** Undefined when nothing may serve this client here. */
  next({ client, traffic, tried = new Set() }: Choice): PlanEndpoint | undefined {
    const endpoints = this.#endpointsFor(client, traffic);
    const timeoutMs = (this.#rules?.affinitySeconds ?? 0) * 1000;
    if (timeoutMs === 0) return endpoints.next((key) => tried.has(key));
    const known = this.#affinity.endpointOf(client, timeoutMs);
    const kept = known === undefined || tried.has(known) ? undefined : endpoints.get(known);
    const chosen = kept ?? endpoints.next((key) => tried.has(key));
    if (chosen !== undefined) this.#affinity.remember(client, endpointKey(chosen), timeoutMs);
    return chosen;
  }

  /** How many endpoints a client from elsewhere can get. */
  sizeFor(traffic: TrafficKind): number {
    return this.#rules?.[traffic].policy === 'Local' ? this.#local.size : this.#cluster.size;
  }

  /** As in kube-proxy, an external policy of Local does not bind the node's own clients. */
  #endpointsFor(client: string, traffic: TrafficKind): WeightedRoundRobin<PlanEndpoint> {
    if (this.#rules?.[traffic].policy !== 'Local') return this.#cluster;
    return traffic === 'external' && this.#isOfThisNode(client) ? this.#cluster : this.#local;
  }

  #isOfThisNode(client: string): boolean {
    return LOOPBACK.check(client, isIPv6(client) ? 'ipv6' : 'ipv4') || this.#nodeAddresses.includes(client);
  }
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

function weighted(endpoints: readonly PlanEndpoint[]) {
  const weights = boundedWeights(endpoints);
  return endpoints.map((item, index) => ({ key: endpointKey(item), item, weight: weights[index] ?? 1 }));
}
