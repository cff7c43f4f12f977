/** What a Service asks of address pools. Pure. */
import type { ServiceKey, ServiceObject } from '@signalbox/contracts';
import { addressFamily, canonicalAddress } from '../address.ts';
import type { Family } from './address-range.ts';

/** Addresses that are wanted, separated by commas; takes precedence over `spec.loadBalancerIP`. */
export const ADDRESSES_ANNOTATION = 'signalbox.dev/lb-addresses';
/** Name of the only pool to take from. */
export const POOL_ANNOTATION = 'signalbox.dev/lb-address-pool';
/** Services with the same key may have the same address, on different ports. */
export const SHARING_ANNOTATION = 'signalbox.dev/lb-address-sharing-key';

export interface Sharing {
  readonly key: string;
  /** `80/TCP`. */
  readonly ports: readonly string[];
  /** Those who share an address must agree on this: nodes cannot send one address's traffic two ways. */
  readonly policy: string;
}

export interface PoolClaim {
  readonly key: ServiceKey;
  readonly loadBalancerClass: string;
  readonly families: readonly Family[];
  /** Canonical. */
  readonly requested: readonly string[];
  /** Texts that were asked for and are no addresses. */
  readonly unreadable: readonly string[];
  readonly pool: string | undefined;
  /** Undefined: it wants an address of its own. */
  readonly sharing: Sharing | undefined;
  /** Addresses that the cluster says the Service has. */
  readonly status: readonly string[];
}

/** Undefined for a Service that wants no address. */
export function poolClaimOf(key: ServiceKey, { spec, metadata, status }: ServiceObject): PoolClaim | undefined {
  if (spec.type !== 'LoadBalancer') return undefined;
  const annotations = metadata.annotations ?? {};
  const texts = (annotations[ADDRESSES_ANNOTATION] ?? spec.loadBalancerIP ?? '').split(',').map((text) => text.trim());
  const wanted = texts.filter((text) => text !== '');
  return {
    key,
    loadBalancerClass: spec.loadBalancerClass ?? '',
    families: familiesOf(spec),
    requested: wanted.flatMap((text) => canonicalAddress(text) ?? []),
    unreadable: wanted.filter((text) => canonicalAddress(text) === undefined),
    pool: annotations[POOL_ANNOTATION],
    sharing: sharingOf(annotations[SHARING_ANNOTATION], spec),
    status: (status?.loadBalancer?.ingress ?? []).flatMap(
      ({ ip, hostname }) => canonicalAddress(ip ?? '') ?? hostname ?? [],
    ),
  };
}

function sharingOf(key: string | undefined, spec: ServiceObject['spec']): Sharing | undefined {
  if (key === undefined || key === '') return undefined;
  return { key, ports: spec.ports.map(({ port, protocol }) => `${port}/${protocol}`), policy: policyOf(spec) };
}

/** With `Local` the nodes that answer are those of the endpoints, so only Services with the same Pods agree. */
function policyOf(spec: ServiceObject['spec']): string {
  if (spec.externalTrafficPolicy !== 'Local') return 'Cluster';
  const labels = Object.entries(spec.selector ?? {}).map(([name, value]) => `${name}=${value}`);
  return `Local ${labels.sort().join()}`;
}

function familiesOf(spec: ServiceObject['spec']): Family[] {
  const fromIps = spec.clusterIPs.flatMap((text) => canonicalAddress(text) ?? []).map(addressFamily);
  const families = spec.ipFamilies ?? (fromIps.length > 0 ? fromIps : ['IPv4' as const]);
  return [...new Set(families)];
}
