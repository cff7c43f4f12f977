import type { LoadBalancerIngress } from '@signalbox/contracts';
import type { NamespacedName, PodCondition } from '@signalbox/kube';

/** One status that is not as it should be. */
export type Write =
  | {
      readonly type: 'ingress';
      readonly object: NamespacedName;
      /** Empty: what was written is taken back. */
      readonly ingress: readonly LoadBalancerIngress[];
    }
  | { readonly type: 'condition'; readonly object: NamespacedName; readonly condition: PodCondition };

/** One per status: a newer write replaces an older one. */
export function writeKey({ type, object }: Write): string {
  return `${type} ${object.namespace}/${object.name}`;
}
