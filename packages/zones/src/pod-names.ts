/**
 * Names that exist without a record of a Service: namespaces, and pods by their address, as CoreDNS answers them.
 *
 *   name                        │ exists
 *   ────────────────────────────┼──────────────────────────────────────────────────────────────────────────────
 *   svc.DOMAIN, pod.DOMAIN      │ always
 *   NS.svc.DOMAIN               │ while there is the namespace
 *   NS.pod.DOMAIN               │ the same, unless pods are `disabled`
 *   10-1-2-3.NS.pod.DOMAIN      │ `insecure`: in every namespace that is there, for every address
 *                               │ `verified`: while a Pod in the namespace has it as its first address; where the log
 *                               │ holds no Pods of the cluster, while a Service there has an endpoint with it
 */
import type { DnsRecord } from '@signalbox/contracts';
import { type Address, parseAddress, reverseName } from './addresses.ts';
import type { RecordGroup } from './records.ts';

export const POD_MODES = ['disabled', 'insecure', 'verified'] as const;
export type PodMode = (typeof POD_MODES)[number];

export interface PodNameSource {
  readonly mode: PodMode;
  readonly ttlSeconds: number;
  hasNamespace(namespace: string): boolean;
  /** Undefined where nothing is known of the Pods themselves. */
  hasPod(namespace: string, label: string): boolean | undefined;
  /** Of a name in any zone; undefined when it does not exist. */
  groups(name: string): readonly RecordGroup[] | undefined;
}

/** What such a name in this domain has; undefined when it does not exist, as far as this is to say. */
export function podNameGroups(source: PodNameSource, name: string, domain: string): readonly RecordGroup[] | undefined {
  const [kind, namespace, pod, ...more] = name
    .slice(0, -domain.length - 1)
    .split('.')
    .reverse();
  if ((kind !== 'svc' && kind !== 'pod') || more.length > 0) return undefined;
  if (namespace === undefined) return [];
  if ((kind === 'pod' && source.mode === 'disabled') || !source.hasNamespace(namespace)) return undefined;
  if (pod === undefined) return [];
  const address = kind === 'pod' ? podAddress(pod) : undefined;
  if (address === undefined) return undefined;
  const isVerified = () => source.hasPod(namespace, pod) ?? isEndpoint(source, address, `.${namespace}.svc.${domain}`);
  if (source.mode === 'verified' && !isVerified()) return undefined;
  const type = address.family === 'IPv4' ? 'A' : 'AAAA';
  const record: DnsRecord = { name, ttlSeconds: source.ttlSeconds, type, address: address.text };
  return [[record]];
}

/** Three dashes, not two together, stand for dots; else each stands for a colon. */
function podAddress(label: string): Address | undefined {
  const isDotted = !label.includes('--') && label.split('-').length === 4;
  return parseAddress(label.replaceAll('-', isDotted ? '.' : ':'));
}

/** The PTR records of an endpoint point to a name one label below its Service's. */
function isEndpoint(source: PodNameSource, address: Address, suffix: string): boolean {
  const pointers = source.groups(reverseName(address))?.flat() ?? [];
  return pointers.some(({ type, ...rest }) => {
    const target = type === 'PTR' && 'target' in rest ? rest.target : '';
    return target.endsWith(suffix) && target.slice(0, -suffix.length).includes('.');
  });
}
