/**
 * What a kernel does with traffic to services, by meaning: the same whether nftables, iptables or IPVS does it, and whoever
 * programmed it. Handles, counters, names of chains, numbers of endpoints and the order of elements are not in it.
 */
import type { Family } from '../addresses.ts';

/** Stands for "any address of the node" in the key of a node port. */
export const ANY_NODE_ADDRESS = 'node';

/** Who programmed what is read. */
export const KERNEL_OWNERS = ['signalbox', 'kube-proxy'] as const;
export type KernelOwner = (typeof KERNEL_OWNERS)[number];

/** Where traffic comes from: pods (a CIDR, or `interface NAME`), the node itself, or anywhere else. Rules tell no more apart. */
export type Source = string;
export const FROM_NODE: Source = 'node';
export const FROM_ELSEWHERE: Source = 'elsewhere';

export function sourcesOf(podSources: readonly Source[]): Source[] {
  return [...podSources, FROM_NODE, FROM_ELSEWHERE];
}

export interface RouteEndpoint {
  /** Share of new connections, 0 to 1. */
  readonly share: number;
  /** The endpoint's own traffic to itself is masqueraded, so that its answer comes back this way. */
  readonly isHairpinMasqueraded: boolean;
}

/** Where the nat rules send traffic of one source. Without endpoints they leave it alone. */
export interface Route {
  /** By `address:port`, IPv6 addresses in brackets. */
  readonly endpoints: ReadonlyMap<string, RouteEndpoint>;
  /** `unknown`: it hangs on a source that was not asked about. `sometimes`: for some of the endpoints. */
  readonly masquerade: 'always' | 'never' | 'sometimes' | 'unknown';
  /** `broken`: some endpoints keep their clients, others do not, or not for as long. */
  readonly affinitySeconds: number | 'broken' | undefined;
}

/** An address (or any of the node's), protocol and port at which a service is reached. */
export interface Frontend {
  /** `namespace/name:port`; empty where the kernel does not say whose it is. */
  readonly service: string;
  /** Only sources that are sent anywhere. */
  readonly routes: ReadonlyMap<Source, Route>;
  /** What the filter does to what was not sent on. */
  readonly verdict: 'drop' | 'reject' | undefined;
  /** Sources that the filter lets through; undefined means everybody. Sorted. */
  readonly sourceRanges: readonly string[] | undefined;
}

/** A rule, chain or element that is not part of any service. */
export interface StrayPart {
  readonly where: 'nat' | 'filter';
  /** For example `chain services`. */
  readonly at: string;
  readonly text: string;
  /** Key of the frontend that the element is filed under: with it gone, so should the element be. */
  readonly frontend?: string;
}

export interface KernelState {
  readonly family: Family;
  /** By `frontendKey`. */
  readonly frontends: ReadonlyMap<string, Frontend>;
  /** Cluster IPs whose other ports are refused, and whose they are; undefined where the backend has no such thing. */
  readonly closedAddresses: ReadonlyMap<string, string> | undefined;
  /** Addresses in the set of endpoints that may reach themselves; undefined where each endpoint has a rule for it. */
  readonly hairpins: ReadonlySet<string> | undefined;
  /** Rules of the chains that are the same for every set of services: chain → rules, in one spelling. */
  readonly structure: ReadonlyMap<string, readonly string[]>;
  /** Rules nobody understands in chains that packets pass, and elements that no rule leads to. */
  readonly strays: readonly StrayPart[];
  /** Lines or objects that could not be read at all. */
  readonly unreadable: number;
}

export function frontendKey(protocol: string, address: string, port: number): string {
  return `${protocol} ${socketText(address, port)}`;
}

/** `address:port`, with IPv6 addresses in brackets. */
export function socketText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
