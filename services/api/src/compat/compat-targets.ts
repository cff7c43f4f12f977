/** What software that knows nothing of Signalbox is told: the targets that load balancers are to use, one by one. */
import { z } from '@hono/zod-openapi';
import type { GroupTarget, TargetGroupItem, TargetGroupReport } from '@signalbox/contracts';
import { listTargetGroupSets, type Store, type TargetGroupFilter, targetGroupReport } from '@signalbox/store';
import { clusterParameter, nameParameter, namespaceParameter } from '../parameters.ts';
import { itemsOfSet } from '../target-group-views.ts';

type Health = TargetGroupReport['targets'][number]['health'];

export interface UsedTarget {
  readonly group: TargetGroupItem;
  /** Active or draining. */
  readonly target: GroupTarget;
  /** As its load balancer said last. */
  readonly health: Health;
}

export const compatQuery = z.strictObject({
  class: z
    .string()
    .max(253)
    .optional()
    .openapi({ param: { description: 'Only of this load-balancer class; empty for Services without one.' } }),
  cluster: clusterParameter.optional(),
  namespace: namespaceParameter.optional(),
  service: nameParameter.optional(),
});

export function filterOf(query: z.infer<typeof compatQuery>): TargetGroupFilter {
  const { class: loadBalancerClass, cluster, namespace, service: name } = query;
  return { loadBalancerClass, cluster, namespace, name };
}

export function usedTargets(store: Store, filter: TargetGroupFilter): UsedTarget[] {
  const groups = listTargetGroupSets(store, filter).flatMap(itemsOfSet);
  return groups.flatMap((group) => {
    const said = healthOf(store, group);
    return group.targets.filter(isUsed).map((target) => {
      return { group, target, health: said.get(hostAndPort(target)) ?? 'unknown' };
    });
  });
}

function isUsed({ state }: GroupTarget): boolean {
  return state === 'active' || state === 'draining';
}

function healthOf(store: Store, { service: name, protocol, port, ...group }: TargetGroupItem): Map<string, Health> {
  const report = targetGroupReport(store, { ...group, name, port: `${port}/${protocol}` });
  return new Map(report?.targets.map((target) => [hostAndPort(target), target.health]));
}

export function hostAndPort({ address, port }: { address: string; port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
