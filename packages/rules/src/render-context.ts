/** What every backend is told of the node and the cluster, with addresses read and checked. */
import type { Cidr } from './addresses.ts';
import type { RulesNode } from './select-endpoints.ts';

export interface RenderContext {
  readonly node: RulesNode;
  readonly clusterCIDRs: readonly Cidr[];
  readonly masqueradeAll: boolean;
  /** Undefined: the backend's default. */
  readonly nodePortAddresses: readonly Cidr[] | undefined;
}

/** The mark that kube-proxy puts on packets to masquerade; network plugins know to leave it alone. */
export const MASQUERADE_MARK = 0x4000;
