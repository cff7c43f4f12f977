/** Which tracked UDP flows lead nowhere. TCP notices by itself; UDP would go on for as long as its client sends. */
import type { PlanEndpoint, ProxyPlan, ServicePortPlan } from '@signalbox/contracts';
import type { Family } from './addresses.ts';
import type { NodePlan } from './node-plan.ts';

/** UDP flows to an address and port that are translated to an endpoint, or (with that same address) not at all. */
export interface StaleFlow {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
  readonly endpointAddress: string;
  readonly endpointPort: number;
}

/**
 * Whether flows have to be looked at once the rules of `after` are in: a serving endpoint is gone, or there are flows that
 * came before the first endpoint, address or port. An endpoint that is only added takes no flows. What lingers keeps those
 * that it has: it may have given some of its entries to others, whose plans say what is stale there.
 */
export function mayHaveStaleFlows(before: ProxyPlan | undefined, after: NodePlan): boolean {
  if (after.lingeringEntries !== undefined) return false;
  return udpPorts(after).some((port) => {
    const old = udpPorts(before).find(({ name }) => name === port.name);
    if (old === undefined || before === undefined || entriesText(before, old) !== entriesText(after, port)) return true;
    const now = new Set(servingOf(port).map(textOf));
    const families = (endpoints: readonly PlanEndpoint[]): number =>
      new Set(endpoints.map(({ family }) => family)).size;
    const isFirst = families(servingOf(old)) < families(servingOf(port));
    return isFirst || servingOf(old).some((endpoint) => !now.has(textOf(endpoint)));
  });
}

/**
 * From what `conntrack -L -p udp` lists of one family. As kube-proxy does: a flow is stale when its service has serving
 * endpoints and it leads to none of them. Policies, hints and readiness are about new flows; and the flows of a service
 * without any serving endpoint stay, because there is nowhere better to go. Of flows to a node port number, those that
 * were never translated count only at the node's own addresses: elsewhere they are other people's.
 */
export function staleFlows(
  listing: string,
  plans: readonly ProxyPlan[],
  { family, nodeAddresses }: { readonly family: Family; readonly nodeAddresses: readonly string[] },
): StaleFlow[] {
  const services = new ServingEndpoints(plans, family);
  const own = new Set(nodeAddresses);
  const stale = new Map<string, StaleFlow>();
  for (const [, address = '', portText = '', endpointAddress = '', endpointPort = ''] of listing.matchAll(FLOW)) {
    const port = Number(portText);
    const isOfNodePort = own.has(address) || address !== endpointAddress;
    const serving = services.at(address, port) ?? (isOfNodePort ? services.atNodePort(port) : undefined);
    if (serving === undefined || serving.has(`${endpointAddress} ${endpointPort}`)) continue;
    const flow = { family, address, port, endpointAddress, endpointPort: Number(endpointPort) };
    stale.set(JSON.stringify(flow), flow);
  }
  return [...stale.values()];
}

/** `udp 17 29 src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=…`: its way there, and the way of answers. */
const FLOW = /^udp .*?\bdst=(\S+) sport=\d+ dport=(\d+).*? src=(\S+) dst=\S+ sport=(\d+)/gm;

class ServingEndpoints {
  readonly #byAddress = new Map<string, ReadonlySet<string>>();
  readonly #byNodePort = new Map<number, ReadonlySet<string>>();

  constructor(plans: readonly ProxyPlan[], family: Family) {
    for (const plan of plans) {
      for (const port of udpPorts(plan)) {
        const serving = new Set(
          servingOf(port)
            .filter((endpoint) => endpoint.family === family)
            .map(textOf),
        );
        if (serving.size === 0) continue;
        for (const address of addressesOf(plan)) this.#byAddress.set(`${address} ${port.port}`, serving);
        if (port.nodePort !== undefined) this.#byNodePort.set(port.nodePort, serving);
      }
    }
  }

  at(address: string, port: number): ReadonlySet<string> | undefined {
    return this.#byAddress.get(`${address} ${port}`);
  }

  atNodePort(port: number): ReadonlySet<string> | undefined {
    return this.#byNodePort.get(port);
  }
}

function udpPorts(plan: ProxyPlan | undefined): readonly ServicePortPlan[] {
  return (plan?.ports ?? []).filter(({ protocol }) => protocol === 'UDP');
}

function servingOf({ endpoints }: ServicePortPlan): PlanEndpoint[] {
  return endpoints.filter(({ serving }) => serving);
}

function addressesOf({ clusterIPs, externalIPs, loadBalancerVIPs }: ProxyPlan): string[] {
  return [...clusterIPs, ...externalIPs, ...loadBalancerVIPs];
}

/** Where the flows of a service port come in. */
function entriesText(plan: ProxyPlan, { port, nodePort }: ServicePortPlan): string {
  return [...addressesOf(plan), port, nodePort].join(' ');
}

function textOf({ address, port }: PlanEndpoint): string {
  return `${address} ${port}`;
}
