/** The input of every compiler: one Service with all that belongs to it, at one revision. */
import type { DnsIntents } from './intents.ts';
import type { EndpointSliceObject, NodeObject, ServiceObject } from './kubernetes.ts';
import type { LoadBalancerPolicySpec } from './load-balancer-intents.ts';

/**
 * A joined service. Equal views derive equal documents; the order of `slices` and `nodes` never matters to a compiler
 * (both are given sorted by name).
 */
export interface ServiceView {
  readonly cluster: ClusterView;
  readonly service: ServiceObject;
  readonly slices: readonly EndpointSliceObject[];
  /** All nodes of the cluster; empty for a worker that does not read Nodes. */
  readonly nodes: readonly NodeObject[];
  readonly dns?: DnsIntents;
  /** Of the Service's load-balancer class, where it has one. */
  readonly loadBalancerPolicy?: LoadBalancerPolicySpec;
}

export interface ClusterView {
  readonly name: string;
  /** DNS domain without trailing dot. */
  readonly domain: string;
}
