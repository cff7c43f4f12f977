/** What a node goes on doing for addresses that their service has no more. */
import type { PlanEndpoint, ProxyPlan, ServicePortPlan } from '@signalbox/contracts';

/**
 * As the service was when it still had them, except for what must never wait: endpoints are those that it has now, and
 * source ranges too where there are any (there being none any more would open what was closed). `current` undefined: the
 * service is gone, and with it all that could be known of its endpoints. The health check node port is not kept: it says to
 * load balancers at once that this node is not to be used.
 */
export function lingeringPlan(left: ProxyPlan, current: ProxyPlan | undefined): ProxyPlan {
  const { healthCheckNodePort: _closed, ...kept } = left;
  if (current === undefined) return kept;
  const isNarrowed = current.loadBalancerSourceRanges.length > 0;
  return {
    ...kept,
    ports: left.ports.map((port) => ({ ...port, endpoints: endpointsNow(port, current) })),
    ...(isNarrowed && { loadBalancerSourceRanges: current.loadBalancerSourceRanges }),
  };
}

/** The same, with those service ports only that somebody serves. */
export function servedPart(plan: ProxyPlan): ProxyPlan {
  const isServed = ({ endpoints }: ServicePortPlan): boolean =>
    endpoints.some(({ ready, serving }) => ready || serving);
  return { ...plan, ports: plan.ports.filter(isServed) };
}

/** A service port that is gone as well has those of its endpoints that other ports still have, in their condition. */
function endpointsNow({ name, protocol, endpoints }: ServicePortPlan, { ports }: ProxyPlan): PlanEndpoint[] {
  const same = ports.find((port) => port.name === name && port.protocol === protocol);
  if (same !== undefined) return same.endpoints;
  const known = new Map(ports.flatMap((port) => port.endpoints).map((endpoint) => [endpoint.address, endpoint]));
  return endpoints.flatMap((endpoint) => {
    const now = known.get(endpoint.address);
    if (now === undefined) return [];
    const { ready, serving, terminating } = now;
    return [{ ...endpoint, ready, serving, terminating }];
  });
}
