import type { NodeObject } from '@signalbox/contracts';
import type { RulesNode } from './select-endpoints.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** What rules need to know of a node: internal addresses go first, as kube-proxy picks them; host names are no addresses. */
export function rulesNodeOf(node: NodeObject): RulesNode {
  const zone = node.metadata.labels?.[ZONE_LABEL];
  const addressesOf = (wanted: string): string[] =>
    (node.status.addresses ?? []).filter(({ type }) => type === wanted).map(({ address }) => address);
  const addresses = [...addressesOf('InternalIP'), ...addressesOf('ExternalIP')];
  const podCIDRs = node.spec.podCIDRs ?? [];
  return {
    name: node.metadata.name,
    addresses,
    ...(zone === undefined ? {} : { zone }),
    ...(podCIDRs.length === 0 ? {} : { podCIDRs }),
  };
}
