/** What one node does for each service port in one family, before any backend's syntax. All backends render from this. */
import type { PlanEndpoint, Skipped } from '@signalbox/contracts';

export type SkippedOfService = Skipped & { readonly service: string };
export type TransportProtocol = 'tcp' | 'udp' | 'sctp';

/**
 * What happens to traffic of one kind (to the cluster IP, or to an external address):
 *
 *     | usable on this node | usable anywhere | verdict                                               |
 *     | ------------------- | --------------- | ----------------------------------------------------- |
 *     | yes                 |                 | forward                                               |
 *     | no                  | yes             | drop: another node serves it, the sender should retry |
 *     | no                  | no              | reject: nobody serves it                              |
 */
export interface TrafficRules {
  readonly policy: 'Cluster' | 'Local';
  readonly verdict: 'forward' | 'drop' | 'reject';
}

export interface ServiceRules {
  /** `namespace/name:port` as the objects spell it: for hashing, never for output. */
  readonly id: string;
  /** The same as `safeText`: for any backend's text. */
  readonly label: string;
  readonly protocol: TransportProtocol;
  readonly port: number;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly loadBalancerVIPs: readonly string[];
  /** Disjoint CIDRs that may reach the load-balancer VIPs; empty means everybody. */
  readonly sourceRanges: readonly string[];
  readonly nodePort: number | undefined;
  /** Port on which the node says whether it has local endpoints; load balancers must be let in. */
  readonly healthCheckNodePort: number | undefined;
  readonly cluster: readonly PlanEndpoint[];
  readonly local: readonly PlanEndpoint[];
  readonly internal: TrafficRules;
  readonly external: TrafficRules;
  readonly affinitySeconds: number | undefined;
}

const TEXT_LENGTH_MAX = 100;

/** Bounded, and every character outside of `[A-Za-z0-9._/:-]` replaced: nothing that any backend would read. */
export function safeText(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX).replace(/[^A-Za-z0-9._/:-]/g, '_');
}
