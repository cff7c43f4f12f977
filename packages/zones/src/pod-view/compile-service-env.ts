/**
 * The environment variables by which the kubelet tells a container of Services, as Kubernetes 1.36 has them. Pure.
 *
 *   WEB_SERVICE_HOST=10.96.0.20              the first cluster IP
 *   WEB_SERVICE_PORT=80                      the first port
 *   WEB_SERVICE_PORT_HTTP=80                 each port that has a name
 *   WEB_PORT=tcp://10.96.0.20:80             Docker's links: the first port,
 *   WEB_PORT_80_TCP=tcp://10.96.0.20:80      and each port in four variables
 *   WEB_PORT_80_TCP_PROTO=tcp
 *   WEB_PORT_80_TCP_PORT=80
 *   WEB_PORT_80_TCP_ADDR=10.96.0.20
 *
 * Services of the pod's namespace count unless `enableServiceLinks` is false; `default/kubernetes` always does, unless the
 * namespace has a Service of that name. Headless and ExternalName Services have no cluster IP, and so no variables.
 *
 * The kubelet goes through Services in no order, so where two give one variable (`web` with port 80 and `web-port-80-tcp`)
 * pods differ. Here the order is that of names, the later Service wins, and `skipped` tells of the earlier one.
 */
import type { ServiceObject, Skipped } from '@signalbox/contracts';

const MASTER_NAMESPACE = 'default';
const MASTER_SERVICE = 'kubernetes';

export interface EnvVariable {
  readonly name: string;
  readonly value: string;
  /** `namespace/name` of the Service. */
  readonly service: string;
}

export interface ServiceEnv {
  readonly variables: readonly EnvVariable[];
  readonly skipped: readonly Skipped[];
}

/** Equal Services give equal variables, whatever their order. */
export function compileServiceEnv(
  services: Iterable<ServiceObject>,
  pod: { readonly namespace: string; readonly enableServiceLinks: boolean },
): ServiceEnv {
  const byName = new Map<string, EnvVariable>();
  const skipped: Skipped[] = [];
  for (const variable of linkedServices(services, pod).flatMap(variablesOf)) {
    const before = byName.get(variable.name);
    if (before !== undefined && before.service !== variable.service) {
      const reason = `${before.service} gives this variable too; which one a pod gets is left to chance`;
      skipped.push({ path: variable.name, reason });
    }
    byName.set(variable.name, variable);
  }
  return { variables: [...byName.values()], skipped };
}

function linkedServices(
  services: Iterable<ServiceObject>,
  { namespace, enableServiceLinks }: { namespace: string; enableServiceLinks: boolean },
): ServiceObject[] {
  const linked = new Map<string, ServiceObject>();
  for (const service of services) {
    const { name, namespace: own } = service.metadata;
    if (clusterIPOf(service) === undefined) continue;
    const isMaster = own === MASTER_NAMESPACE && name === MASTER_SERVICE;
    const isLinked = own === namespace && enableServiceLinks;
    if (isLinked || (isMaster && !linked.has(name))) linked.set(name, service);
  }
  return [...linked.values()].sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
}

function clusterIPOf({ spec }: ServiceObject): string | undefined {
  const [address] = spec.clusterIPs;
  return spec.type === 'ExternalName' || address === undefined || address === '' || address === 'None'
    ? undefined
    : address;
}

function variablesOf(service: ServiceObject): EnvVariable[] {
  const host = clusterIPOf(service) ?? '';
  const prefix = variableName(service.metadata.name);
  const [first] = service.spec.ports;
  const pairs: [name: string, value: string | number][] = [[`${prefix}_SERVICE_HOST`, host]];
  if (first !== undefined) pairs.push([`${prefix}_SERVICE_PORT`, first.port]);
  for (const { name, port } of service.spec.ports) {
    if (name !== '') pairs.push([`${prefix}_SERVICE_PORT_${variableName(name)}`, port]);
  }
  for (const [index, port] of service.spec.ports.entries()) {
    const protocol = port.protocol.toLowerCase();
    const url = `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port.port}`;
    const link = `${prefix}_PORT_${port.port}_${port.protocol}`;
    if (index === 0) pairs.push([`${prefix}_PORT`, url]);
    pairs.push([link, url], [`${link}_PROTO`, protocol], [`${link}_PORT`, port.port], [`${link}_ADDR`, host]);
  }
  const owner = `${service.metadata.namespace}/${service.metadata.name}`;
  return pairs.map(([name, value]) => ({ name, value: String(value), service: owner }));
}

/** `my-db` → `MY_DB`. */
function variableName(text: string): string {
  return text.replaceAll('-', '_').toUpperCase();
}
