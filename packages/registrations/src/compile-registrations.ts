/**
 * Service view → registrations, one per port of a LoadBalancer Service. Pure.
 *
 *   target type │ externalTrafficPolicy │ targets                              │ health check
 *   ────────────┼───────────────────────┼──────────────────────────────────────┼────────────────────────────────────────
 *   node        │ Cluster               │ every eligible node                  │ tcp nodePort; UDP, SCTP: the
 *               │                       │                                      │ proxy's http :10256/healthz (KEP-3836)
 *   node        │ Local                 │ eligible nodes with a ready endpoint │ http :healthCheckNodePort
 *   pod         │ any                   │ the endpoints themselves             │ tcp target port
 *
 * The target type is the Service's annotation, else the policy's, else `node` where there is a node port. Annotations
 * (annotations.ts) win over the health checks above. A Service that is not of type LoadBalancer has no document.
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
import { type LbAnnotations, readLbAnnotations } from './annotations.ts';
import { endpointPort, nodeTargets, podTargets } from './targets.ts';

/** Where kube-proxy and its equals say whether a node's proxy is healthy, whatever the Service. */
const PROXY_HEALTH_PORT = 10_256;
const DEFAULT_AFFINITY_SECONDS = 10_800;

export function compileRegistrations(view: ServiceView): Derivation<RegistrationSet> {
  const { service } = view;
  if (service.spec.type !== 'LoadBalancer') return { document: undefined, skipped: [] };
  const key = { cluster: view.cluster.name, namespace: service.metadata.namespace, name: service.metadata.name };
  const skipped: Skipped[] = [];
  const annotations = readLbAnnotations(service, skipped);
  const frontend = frontendOf(service, annotations, skipped);
  const registrations = service.spec.ports.map(
    (port): Registration => ({
      id: `${serviceKeyText(key)}:${port.port}/${port.protocol}`,
      ...frontend,
      portName: port.name,
      protocol: port.protocol,
      port: port.port,
      ...appProtocolOf(port, skipped),
      ...backendOf(view, port, annotations, skipped),
    }),
  );
  return { document: { ...key, registrations }, skipped: withoutRepeats(skipped) };
}

type Frontend = Pick<
  Registration,
  | 'loadBalancerClass'
  | 'addresses'
  | 'hostnames'
  | 'sourceRanges'
  | 'sessionAffinitySeconds'
  | 'algorithm'
  | 'proxyProtocol'
>;

function frontendOf(service: ServiceObject, annotations: LbAnnotations, skipped: Skipped[]): Frontend {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const { spec } = service;
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
  return {
    loadBalancerClass: spec.loadBalancerClass ?? '',
    addresses: addressesOf(ingress, spec.loadBalancerIP, skipped),
    hostnames: ingress.flatMap(({ hostname }, index) => {
      if (hostname === undefined || /^[A-Za-z0-9.-]{1,253}$/.test(hostname)) return hostname ?? [];
      skipped.push({ path: `status.loadBalancer.ingress[${index}].hostname`, reason: notValid('host name', hostname) });
      return [];
    }),
    sourceRanges: (spec.loadBalancerSourceRanges ?? []).flatMap((text, index) => {
      const range = text.trim();
      if (isRange(range)) return [range];
      skipped.push({ path: `spec.loadBalancerSourceRanges[${index}]`, reason: notValid('range', text) });
      return [];
    }),
    ...(spec.sessionAffinity === 'ClientIP' ? { sessionAffinitySeconds: affinity } : {}),
    ...(annotations.algorithm && { algorithm: annotations.algorithm }),
    ...(annotations.proxyProtocol && { proxyProtocol: annotations.proxyProtocol }),
  };
}

/** A qualified name, as an API server demands; manifests have met none. */
function appProtocolOf({ appProtocol, port }: ServicePort, skipped: Skipped[]): Pick<Registration, 'appProtocol'> {
  if (appProtocol === undefined || appProtocol === '') return {};
  if (/^[A-Za-z0-9][A-Za-z0-9./_-]{0,316}$/.test(appProtocol)) return { appProtocol };
  skipped.push({ path: `spec.ports[${port}].appProtocol`, reason: notValid('protocol', appProtocol) });
  return {};
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
  annotations: LbAnnotations,
  skipped: Skipped[],
): Pick<Registration, 'healthCheck' | 'targets' | 'hasReadinessGate'> {
  const asked = annotations.targetType ?? view.loadBalancerPolicy?.targetType ?? 'auto';
  const type = asked === 'auto' ? (port.nodePort === undefined ? 'pod' : 'node') : asked;
  const { healthCheck } = annotations;
  if (type === 'pod') {
    const usual = { type: 'tcp' as const, port: endpointPort(view, port) ?? port.port };
    const withUnready = annotations.readinessGate === true;
    return {
      ...(withUnready && { hasReadinessGate: true }),
      healthCheck: checkOf(usual, healthCheck),
      targets: podTargets(view, port, { withUnready }, skipped),
    };
  }
  const isLocal = view.service.spec.externalTrafficPolicy === 'Local';
  const usual = usualNodeCheck(view.service, port, isLocal);
  if (port.nodePort === undefined) {
    const reason = 'its targets are to be nodes, and it has no node port';
    skipped.push({ path: `spec.ports[${port.port}].nodePort`, reason });
    return { healthCheck: checkOf(usual, healthCheck), targets: [] };
  }
  const isWeightedByPods = annotations.weighting === 'pods-per-node';
  const targets = nodeTargets(view, port, { nodePort: port.nodePort, isLocal, isWeightedByPods }, skipped);
  return { healthCheck: checkOf(usual, healthCheck), targets };
}

type HealthCheck = Registration['healthCheck'];

function usualNodeCheck({ spec }: ServiceObject, port: ServicePort, isLocal: boolean): HealthCheck {
  if (isLocal && spec.healthCheckNodePort !== undefined && spec.healthCheckNodePort > 0) {
    return { type: 'http', port: spec.healthCheckNodePort, path: '/healthz' };
  }
  if (port.protocol === 'TCP' && port.nodePort !== undefined) return { type: 'tcp', port: port.nodePort };
  return { type: 'http', port: PROXY_HEALTH_PORT, path: '/healthz' };
}

/** A path is asked for over HTTP only, and something always is. */
function checkOf(usual: HealthCheck, asked: LbAnnotations['healthCheck']): HealthCheck {
  const { path, ...check } = { ...usual, ...asked };
  return check.type === 'tcp' ? check : { ...check, path: path ?? '/' };
}

/** A bad node address is met once per port; it is told once. */
function withoutRepeats(skipped: readonly Skipped[]): Skipped[] {
  return [...new Map(skipped.map((entry) => [`${entry.path} ${entry.reason}`, entry])).values()];
}
