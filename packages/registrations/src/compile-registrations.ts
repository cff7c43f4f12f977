/**
 * Service view → registrations, one per port of a LoadBalancer Service. Pure.
 *
 *   externalTrafficPolicy │ nodePort │ targets                               │ health check
 *   ──────────────────────┼──────────┼───────────────────────────────────────┼─────────────────────────────
 *   Cluster               │ yes      │ every eligible node                   │ tcp nodePort; UDP, SCTP: the
 *                         │          │                                       │ proxy's http :10256/healthz (KEP-3836)
 *   Local                 │ yes      │ eligible nodes with a ready endpoint  │ http :healthCheckNodePort
 *   any                   │ no       │ the endpoints themselves              │ tcp target port
 *
 * A Service that is not of type LoadBalancer has no document.
 */
import {
  type Derivation,
  type LoadBalancerIngress,
  type Registration,
  type RegistrationSet,
  type ServiceObject,
  type ServicePort,
  type ServiceView,
  type Skipped,
  serviceKeyText,
} from '@signalbox/contracts';
import { canonicalAddress, isRange } from './address.ts';
import { nodeTargets, podTargets } from './targets.ts';

/** Where kube-proxy and its equals say whether a node's proxy is healthy, whatever the Service. */
const PROXY_HEALTH_PORT = 10_256;
const DEFAULT_AFFINITY_SECONDS = 10_800;

export function compileRegistrations(view: ServiceView): Derivation<RegistrationSet> {
  const { service } = view;
  if (service.spec.type !== 'LoadBalancer') return { document: undefined, skipped: [] };
  const key = { cluster: view.cluster.name, namespace: service.metadata.namespace, name: service.metadata.name };
  const skipped: Skipped[] = [];
  const frontend = frontendOf(service, skipped);
  const registrations = service.spec.ports.map(
    (port): Registration => ({
      id: `${serviceKeyText(key)}:${port.port}/${port.protocol}`,
      ...frontend,
      portName: port.name,
      protocol: port.protocol,
      port: port.port,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      ...backendOf(view, port, skipped),
    }),
  );
  return { document: { ...key, registrations }, skipped: withoutRepeats(skipped) };
}

type Frontend = Pick<
  Registration,
  'loadBalancerClass' | 'addresses' | 'hostnames' | 'sourceRanges' | 'sessionAffinitySeconds'
>;

function frontendOf(service: ServiceObject, skipped: Skipped[]): Frontend {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const { spec } = service;
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  return {
    loadBalancerClass: spec.loadBalancerClass ?? '',
    addresses: addressesOf(ingress, spec.loadBalancerIP, skipped),
    hostnames: ingress.flatMap((entry) => (entry.hostname === undefined ? [] : [entry.hostname])),
    sourceRanges: (spec.loadBalancerSourceRanges ?? []).flatMap((text, index) => {
      const range = text.trim();
      if (isRange(range)) return [range];
      skipped.push({ path: `spec.loadBalancerSourceRanges[${index}]`, reason: notValid('range', text) });
      return [];
    }),
    ...(spec.sessionAffinity === 'ClientIP' ? { sessionAffinitySeconds: affinity } : {}),
  };
}

function addressesOf(
  ingress: readonly LoadBalancerIngress[],
  requested: string | undefined,
  skipped: Skipped[],
): string[] {
  const allocated = ingress.flatMap(({ ip }, index) =>
    ip === undefined ? [] : validAddress(ip, `status.loadBalancer.ingress[${index}].ip`, skipped),
  );
  if (allocated.length > 0 || requested === undefined || requested === '') return allocated;
  return validAddress(requested, 'spec.loadBalancerIP', skipped);
}

/** The canonical address in a list, or an empty list and a note of what was left out. */
function validAddress(text: string, path: string, skipped: Skipped[]): string[] {
  const address = canonicalAddress(text);
  if (address !== undefined) return [address];
  skipped.push({ path, reason: notValid('address', text) });
  return [];
}

function notValid(what: string, value: string): string {
  return `not a valid ${what}: ${JSON.stringify(value)}`;
}

function backendOf(
  view: ServiceView,
  port: ServicePort,
  skipped: Skipped[],
): Pick<Registration, 'healthCheck' | 'targets'> {
  const { spec } = view.service;
  if (port.nodePort === undefined) {
    const targets = podTargets(view, port, skipped);
    return { healthCheck: { type: 'tcp', port: targets[0]?.port ?? port.port }, targets };
  }
  const isLocal = spec.externalTrafficPolicy === 'Local';
  const targets = nodeTargets(view, port, port.nodePort, isLocal, skipped);
  if (isLocal && spec.healthCheckNodePort !== undefined && spec.healthCheckNodePort > 0) {
    return { healthCheck: { type: 'http', port: spec.healthCheckNodePort, path: '/healthz' }, targets };
  }
  if (port.protocol === 'TCP') return { healthCheck: { type: 'tcp', port: port.nodePort }, targets };
  return { healthCheck: { type: 'http', port: PROXY_HEALTH_PORT, path: '/healthz' }, targets };
}

/** A bad node address is met once per port; it is told once. */
function withoutRepeats(skipped: readonly Skipped[]): Skipped[] {
  return [...new Map(skipped.map((entry) => [`${entry.path} ${entry.reason}`, entry])).values()];
}
