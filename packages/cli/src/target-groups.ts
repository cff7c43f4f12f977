/** Target groups of one Service, as commands name it. */
import {
  type LoadBalancerList,
  NO_CLASS,
  SignalboxError,
  type TargetGroupItem,
  type TargetGroupList,
} from '@signalbox/contracts';
import type { ApiClient } from './api-client.ts';

export function classPath(loadBalancerClass: string): string {
  return `/v1/load-balancers/${encodeURIComponent(loadBalancerClass === '' ? NO_CLASS : loadBalancerClass)}`;
}

/** `NAMESPACE/SERVICE`. */
export function parseServicePlace(place: string): { namespace: string; service: string } {
  const [namespace, service, ...rest] = place.split('/');
  if (namespace && service && rest.length === 0) return { namespace, service };
  throw new SignalboxError('invalid', `"${place}" is not NAMESPACE/SERVICE, for example shop/web`);
}

/** Of all classes. Throws `not_found` where there is none, `invalid` where several clusters have the Service. */
export async function findTargetGroups(
  client: ApiClient,
  place: string,
  cluster: string | undefined,
): Promise<TargetGroupItem[]> {
  const { items } = await client.get<LoadBalancerList>('/v1/load-balancers');
  const filter = { ...parseServicePlace(place), cluster };
  const lists = items.map(({ loadBalancerClass }) =>
    client.get<TargetGroupList>(`${classPath(loadBalancerClass)}/target-groups`, filter),
  );
  const groups = (await Promise.all(lists)).flatMap((list) => list.items);
  const clusters = [...new Set(groups.map((group) => group.cluster))].sort();
  if (clusters.length > 1) {
    throw new SignalboxError('invalid', `${place} is in ${clusters.join(', ')}: choose one with --cluster`);
  }
  if (groups.length > 0) return groups;
  throw new SignalboxError('not_found', `${place} has no target group; "signalbox get registrations" lists who has`);
}
