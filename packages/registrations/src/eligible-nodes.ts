/**
 * Nodes that may receive traffic from outside. Out are, as with the service controller of cloud providers:
 *
 *   label node.kubernetes.io/exclude-from-external-load-balancers, whatever its value
 *   taint ToBeDeletedByClusterAutoscaler: the autoscaler is about to delete it
 *   deletionTimestamp: it is being deleted, and drains (KEP-3836)
 *   Ready not True, nor said at all; unless the policy leaves readiness to health checks (KEP-3458)
 *   cordoned, where the policy says so: existing connections are no reason to leave, so the default is to stay
 */
import type { LoadBalancerPolicySpec, NodeObject } from '@signalbox/contracts';

const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
const DELETION_TAINT = 'ToBeDeletedByClusterAutoscaler';

export function isEligibleNode({ metadata, spec, status }: NodeObject, policy?: LoadBalancerPolicySpec): boolean {
  if (metadata.labels?.[EXCLUDE_LABEL] !== undefined || metadata.deletionTimestamp !== undefined) return false;
  if (spec.taints?.some(({ key }) => key === DELETION_TAINT)) return false;
  if (policy?.excludeCordonedNodes === true && spec.unschedulable === true) return false;
  if (policy?.excludeNotReadyNodes === false) return true;
  return status.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false;
}
