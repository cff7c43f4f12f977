/** Plans → what a balancer on this node does for each service port. Pure. */
import { isIPv6 } from 'node:net';
import type { ProxyPlan, ServicePortPlan } from '@signalbox/contracts';
import {
  CompiledServices,
  type Family,
  type RulesNode,
  type ServiceRules,
  type SkippedOfService,
} from '@signalbox/rules';
import { endpointKey } from './endpoint-choice.ts';

export interface ServiceTarget {
  /** `port name/protocol`, unique within the service. */
  readonly id: string;
  readonly portName: string;
  /** Rules of each family that the service has a cluster IP of. */
  readonly rules: ReadonlyMap<Family, ServiceRules>;
  /** Endpoints that may keep the UDP flows they have: those that serve, terminating or not. */
  readonly serving: ReadonlySet<string>;
}

export interface ServiceTargets {
  readonly targets: readonly ServiceTarget[];
  readonly skipped: readonly SkippedOfService[];
}

export function compileTargets(plan: ProxyPlan, node: RulesNode): ServiceTargets {
  const ports = new Map(plan.ports.map((port) => [idOf(port), port]));
  const rules = new Map([...ports.keys()].map((id) => [id, new Map<Family, ServiceRules>()]));
  const skipped: SkippedOfService[] = [];
  for (const family of ['IPv4', 'IPv6'] as const) {
    const compiled = new CompiledServices(family, node);
    compiled.apply([{ key: plan, plan }]);
    skipped.push(...compiled.skipped());
    for (const service of compiled.all()) rules.get(idOfRules(plan, service))?.set(family, service);
  }
  const targets = [...ports].map(([id, port]) => ({
    id,
    portName: port.name,
    rules: rules.get(id) ?? new Map(),
    serving: new Set(port.endpoints.filter(({ serving }) => serving).map(endpointKey)),
  }));
  return { targets: targets.filter((target) => target.rules.size > 0), skipped };
}

/** A client reaches an address in its own family; endpoints may be of the other one when the service has only that. */
export function rulesForAddress({ rules }: ServiceTarget, address: string): ServiceRules | undefined {
  const family = isIPv6(address) ? 'IPv6' : 'IPv4';
  return rules.get(family) ?? rules.get(family === 'IPv6' ? 'IPv4' : 'IPv6');
}

function idOf({ name, protocol }: ServicePortPlan): string {
  return `${name}/${protocol.toLowerCase()}`;
}

/** Rules carry `namespace/name:port`. */
function idOfRules(plan: ProxyPlan, { id, protocol }: ServiceRules): string {
  return `${id.slice(`${plan.namespace}/${plan.name}:`.length)}/${protocol}`;
}
