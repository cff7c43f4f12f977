/** Which tracked UDP flows a change of plans leaves pointing at nothing. TCP notices by itself; UDP would go on for ever. */
import { type PlanEndpoint, type ProxyPlan, type ServicePortPlan, serviceKeyText } from '@signalbox/contracts';
import type { Family } from './addresses.ts';

/**
 * Flows to one of the service's addresses and port (or to the node port) that are translated to `address` and `port`: to
 * be deleted from conntrack once the rules are in.
 */
export interface RemovedEndpoint {
  readonly protocol: 'udp' | 'tcp' | 'sctp';
  readonly family: Family;
  readonly serviceAddresses: readonly string[];
  readonly servicePort: number;
  readonly nodePort?: number;
  readonly address: string;
  readonly port: number;
}

type Target = Pick<PlanEndpoint, 'address' | 'port'>;

/** Bounds what is remembered of services without endpoints; the oldest is forgotten first. */
const WAITING_MAX = 10_000;
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

/**
 * As kube-proxy does, flows are left alone while an endpoint serves (policies, hints and readiness are about new flows),
 * and while a service has no serving endpoint at all: they are deleted once there is another one to go to. Flows
 * that began before the service had endpoints are not translated, which shows as an endpoint with the service's own address.
 */
export class StaleFlows {
  readonly #waiting = new Map<string, readonly Target[]>();

  change(before: ProxyPlan | undefined, after: ProxyPlan | undefined): RemovedEndpoint[] {
    const names = new Set([...udpPorts(before), ...udpPorts(after)].map(({ name }) => name));
    const plan = after ?? before;
    if (plan === undefined) return [];
    return [...names].flatMap((name) =>
      FAMILIES.flatMap((family) => {
        const port = udpPorts(after).find((port) => port.name === name);
        const old = udpPorts(before).find((port) => port.name === name);
        const key = `${serviceKeyText(plan)} ${name} ${family}`;
        const targets = this.#changeOfPort(key, servingOf(old, family), servingOf(port, family));
        return after === undefined || port === undefined ? [] : reportOf(after, port, family, targets);
      }),
    );
  }

  #changeOfPort(key: string, before: readonly Target[], after: readonly Target[]): ChangedTargets {
    const serving = new Set(after.map(textOf));
    const known = [...(this.#waiting.get(key) ?? []), ...before];
    const gone = known.filter((target) => !serving.has(textOf(target)));
    this.#waiting.delete(key);
    if (after.length > 0) return { gone, isFirst: before.length === 0 };
    if (gone.length > 0) this.#waiting.set(key, gone);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > WAITING_MAX && oldest !== undefined) this.#waiting.delete(oldest);
    return { gone: [], isFirst: false };
  }
}

interface ChangedTargets {
  readonly gone: readonly Target[];
  /** The first endpoints of a service that had none. */
  readonly isFirst: boolean;
}

function udpPorts(plan: ProxyPlan | undefined): readonly ServicePortPlan[] {
  return (plan?.ports ?? []).filter(({ protocol }) => protocol === 'UDP');
}

function servingOf(port: ServicePortPlan | undefined, family: Family): PlanEndpoint[] {
  return (port?.endpoints ?? []).filter((endpoint) => endpoint.family === family && endpoint.serving);
}

function textOf({ address, port }: Target): string {
  return `${address} ${port}`;
}

function reportOf(
  plan: ProxyPlan,
  { port, nodePort }: ServicePortPlan,
  family: Family,
  { gone, isFirst }: ChangedTargets,
): RemovedEndpoint[] {
  const serviceAddresses = [...plan.clusterIPs, ...plan.externalIPs, ...plan.loadBalancerVIPs].filter(
    (address) => address.includes(':') === (family === 'IPv6'),
  );
  if (serviceAddresses.length === 0) return [];
  const untranslated = isFirst ? serviceAddresses.map((address) => ({ address, port })) : [];
  return [...gone, ...untranslated].map((target) => ({
    protocol: 'udp',
    family,
    serviceAddresses,
    servicePort: port,
    ...(nodePort === undefined ? {} : { nodePort }),
    address: target.address,
    port: target.port,
  }));
}
