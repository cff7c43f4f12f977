/** Service view → proxy plan: all that any node needs to program one Service. */
import type { Derivation, ProxyPlan, ServiceObject, ServiceView, Skipped } from '@signalbox/contracts';
import { type Address, parseAddress, parseCidr } from './addresses.ts';
import { compilePlanEndpoints } from './compile-plan-endpoints.ts';

/** Another proxy programs Services and EndpointSlices that carry this label, whatever its value. */
const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
/** The API server's default for `sessionAffinityConfig.clientIP.timeoutSeconds`. */
const DEFAULT_AFFINITY_SECONDS = 10_800;

/**
 * Equal views give equal plans, whatever the order of slices. No document means that no node does anything for this
 * Service: ExternalName, headless, programmed by another proxy, or not given a cluster IP (yet). An address or CIDR that
 * cannot be read is skipped with its path and the rest is kept; the one exception is `loadBalancerSourceRanges`: when none
 * of several can be read, the load-balancer addresses are left out too, because without ranges they are open to everybody.
 */
export function compileProxyPlan(view: ServiceView): Derivation<ProxyPlan> {
  const { service } = view;
  const skipped: Skipped[] = [];
  if (isLeftToOthers(service.metadata.labels) || service.spec.type === 'ExternalName') return nothing(skipped);
  if (service.spec.clusterIPs.includes('None')) return nothing(skipped);
  const clusterIPs = readAddresses(service.spec.clusterIPs, 'spec.clusterIPs', skipped);
  if (clusterIPs.length === 0) return nothing(skipped);
  return { document: planOf(view, clusterIPs, skipped), skipped };
}

function nothing(skipped: readonly Skipped[]): Derivation<ProxyPlan> {
  return { document: undefined, skipped };
}

function isLeftToOthers(labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels !== undefined && (SERVICE_PROXY_NAME_LABEL in labels || HEADLESS_LABEL in labels);
}

function planOf(view: ServiceView, clusterIPs: string[], skipped: Skipped[]): ProxyPlan {
  const { metadata, spec } = view.service;
  const externalIPs = readAddresses(spec.externalIPs ?? [], 'spec.externalIPs', skipped);
  const sourceRanges = readSourceRanges(spec.loadBalancerSourceRanges ?? [], skipped);
  const isClosed = sourceRanges.length === 0 && (spec.loadBalancerSourceRanges ?? []).length > 0;
  const isExternal = spec.type !== 'ClusterIP' || externalIPs.length > 0;
  const isExternalLocal = isExternal && spec.externalTrafficPolicy === 'Local';
  const slices = view.slices.filter((slice) => !isLeftToOthers(slice.metadata.labels));
  return {
    cluster: view.cluster.name,
    namespace: metadata.namespace,
    name: metadata.name,
    type: spec.type === 'ExternalName' ? 'ClusterIP' : spec.type,
    clusterIPs,
    externalIPs,
    loadBalancerVIPs: isClosed ? [] : readLoadBalancerVIPs(view.service, skipped),
    loadBalancerSourceRanges: sourceRanges,
    externalTrafficPolicy: isExternalLocal ? 'Local' : 'Cluster',
    internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    ...(spec.trafficDistribution === undefined ? {} : { trafficDistribution: spec.trafficDistribution }),
    ...sessionAffinityOf(view.service),
    ...healthCheckOf(view.service),
    ports: spec.ports.map((port) => ({
      name: port.name,
      protocol: port.protocol,
      port: port.port,
      ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }),
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      endpoints: compilePlanEndpoints(slices, port, skipped),
    })),
  };
}

/** One address of each text form is kept once: `fd00::1` and `fd00:0::1` are the same address. */
function readAddresses(texts: readonly string[], path: string, skipped: Skipped[]): string[] {
  const kept = texts.map((text, index) => readAddress(text, `${path}[${index}]`, skipped)?.text);
  return [...new Set(kept.filter((text) => text !== undefined))];
}

function readAddress(text: string, path: string, skipped: Skipped[]): Address | undefined {
  const address = parseAddress(text);
  if (address === undefined) skipped.push({ path, reason: `${quoted(text)} is not an IP address` });
  return address;
}

function readSourceRanges(texts: readonly string[], skipped: Skipped[]): string[] {
  const kept = texts.map((text, index) => {
    const cidr = parseCidr(text);
    if (cidr === undefined) {
      skipped.push({ path: `spec.loadBalancerSourceRanges[${index}]`, reason: `${quoted(text)} is not a CIDR` });
    }
    return cidr?.text;
  });
  return [...new Set(kept.filter((text) => text !== undefined))];
}

/** `ipMode: Proxy` tells nodes to leave the address to the load balancer (KEP-1860); absent means VIP. */
function readLoadBalancerVIPs(service: ServiceObject, skipped: Skipped[]): string[] {
  const path = 'status.loadBalancer.ingress';
  const kept = (service.status?.loadBalancer?.ingress ?? []).map((ingress, index) => {
    if (ingress.ip === undefined || ingress.ip === '' || ingress.ipMode === 'Proxy') return undefined;
    return readAddress(ingress.ip, `${path}[${index}].ip`, skipped)?.text;
  });
  return [...new Set(kept.filter((text) => text !== undefined))];
}

function sessionAffinityOf({ spec }: ServiceObject): Pick<ProxyPlan, 'sessionAffinitySeconds'> {
  if (spec.sessionAffinity !== 'ClientIP') return {};
  return { sessionAffinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS };
}

/** Only load balancers that must find the nodes with local endpoints are given a health check port. */
function healthCheckOf({ spec }: ServiceObject): Pick<ProxyPlan, 'healthCheckNodePort'> {
  const isNeeded = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  if (!isNeeded || !spec.healthCheckNodePort) return {};
  return { healthCheckNodePort: spec.healthCheckNodePort };
}

/** JSON quoting keeps a reason on one line whatever an object holds. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}
