/** One service port → its elements and chains in the table of one family. */
import type { PlanEndpoint } from '@signalbox/contracts';
import type { Family } from '../addresses.ts';
import { KernelParts, type SharedEntry } from '../kernel-parts.ts';
import type { RenderContext } from '../render-context.ts';
import type { ServiceRules, TrafficRules } from '../service-rules.ts';
import { FAMILY_SYNTAX, REJECT_CHAIN } from './base-table.ts';
import { EntryChains } from './entry-chains.ts';
import { LOCAL_NUMBERS_FROM, slotsOf } from './slots.ts';

/** Ports of one service share its cluster IP, and services share endpoints. All else belongs to one service port. */
export const COUNTED_CONTAINERS: ReadonlySet<string> = new Set(['cluster-ips', 'hairpin']);

export function nftablesParts(rules: ServiceRules, family: Family, context: RenderContext): KernelParts {
  const parts = new KernelParts();
  addService(parts, new EntryChains(parts, FAMILY_SYNTAX[family], context), rules, context.node.name);
  return parts;
}

/** As `add element` takes it. Comments are made of labels, which hold nothing that would need escaping. */
export function elementText({ key, value, comment }: SharedEntry): string {
  const why = comment === '' ? '' : ` comment "${comment}"`;
  return `${key}${why}${value === '' ? '' : ` : ${value}`}`;
}

/** The texts of entries of one container are together, in the order of entries. */
export function textsByContainer(
  entries: readonly SharedEntry[],
  textOf: (entry: SharedEntry) => string,
): ReadonlyMap<string, readonly string[]> {
  const texts = new Map<string, string[]>();
  for (const entry of entries) {
    const known = texts.get(entry.container);
    if (known === undefined) texts.set(entry.container, [textOf(entry)]);
    else known.push(textOf(entry));
  }
  return texts;
}

function addService(parts: KernelParts, chains: EntryChains, rules: ServiceRules, nodeName: string): void {
  const { protocol, port, label } = rules;
  const keyOf = (address: string): string => `${address} . ${protocol} . ${port}`;
  const why = `${label} cluster IP`;
  for (const address of rules.clusterIPs) {
    parts.addEntry('cluster-ips', address);
    if (rules.internal.verdict !== 'forward') {
      parts.addEntry('service-verdicts', keyOf(address), verdictOf(rules.internal), why);
      continue;
    }
    parts.addEntry('service-ips', keyOf(address), `goto ${chains.internal(rules)}`, why);
    addEndpoints(parts, `endpoints-${protocol}`, `${address} . ${port}`, endpointsFor(rules, rules.internal, false));
  }
  for (const [address, kind] of externalAddresses(rules)) {
    const dispatch = { kind: 'service', key: keyOf(address), comment: `${label} ${kind}` } as const;
    addExternal(parts, rules, dispatch, () => chains.external(rules, 'address'));
    addEndpoints(parts, `endpoints-${protocol}`, `${address} . ${port}`, endpointsFor(rules, rules.external, true));
  }
  if (rules.nodePort !== undefined) {
    const key = `${protocol} . ${rules.nodePort}`;
    addExternal(parts, rules, { kind: 'nodeport', key, comment: `${label} node port` }, () =>
      chains.external(rules, 'nodeport'),
    );
    const map = `nodeport-endpoints-${protocol}`;
    addEndpoints(parts, map, `${rules.nodePort}`, endpointsFor(rules, rules.external, true));
  }
  addSourceRanges(parts, rules);
  for (const element of hairpinElements(rules, nodeName)) parts.addEntry('hairpin', element);
}

function externalAddresses(rules: ServiceRules): (readonly [address: string, kind: string])[] {
  return [
    ...rules.externalIPs.map((address) => [address, 'external IP'] as const),
    ...rules.loadBalancerVIPs.map((address) => [address, 'load balancer'] as const),
  ];
}

/**
 * Traffic under a Local policy that this node drops for lack of local endpoints is still dispatched: that of the node and
 * its pods goes to endpoints elsewhere, and what is left over keeps its destination and meets the verdict.
 */
function addExternal(
  parts: KernelParts,
  { external }: ServiceRules,
  { kind, key, comment }: Dispatch,
  chain: () => string,
): void {
  const dispatch = kind === 'service' ? 'service-ips' : 'service-nodeports';
  if (external.verdict !== 'reject') parts.addEntry(dispatch, key, `goto ${chain()}`, comment);
  if (external.verdict !== 'forward') parts.addEntry(`${kind}-verdicts`, key, verdictOf(external), comment);
}

function verdictOf({ verdict }: TrafficRules): string {
  return verdict === 'reject' ? `goto ${REJECT_CHAIN}` : 'drop';
}

interface Dispatch {
  readonly kind: 'service' | 'nodeport';
  readonly key: string;
  readonly comment: string;
}

interface Numbered {
  readonly cluster: readonly PlanEndpoint[];
  readonly local: readonly PlanEndpoint[];
}

/** The endpoint lists that the entry chain of this traffic can end in. */
function endpointsFor(rules: ServiceRules, { policy }: TrafficRules, isExternal: boolean): Numbered {
  // Services with session affinity have their endpoints in chains of their own.
  const isCluster = rules.affinitySeconds === undefined && (policy === 'Cluster' || isExternal);
  const isLocal = rules.affinitySeconds === undefined && policy === 'Local';
  return { cluster: isCluster ? rules.cluster : [], local: isLocal ? rules.local : [] };
}

function addEndpoints(parts: KernelParts, map: string, key: string, { cluster, local }: Numbered): void {
  for (const [number, { address, port }] of slotsOf(cluster).entries()) {
    parts.addEntry(map, `${key} . ${number}`, `${address} . ${port}`);
  }
  for (const [index, { address, port }] of slotsOf(local).entries()) {
    parts.addEntry(map, `${key} . ${LOCAL_NUMBERS_FROM + index}`, `${address} . ${port}`);
  }
}

function addSourceRanges(parts: KernelParts, { sourceRanges, loadBalancerVIPs, protocol, port }: ServiceRules): void {
  if (sourceRanges.length === 0) return;
  for (const address of loadBalancerVIPs) {
    parts.addEntry('restricted-ips', `${address} . ${protocol} . ${port}`);
    for (const range of sourceRanges) {
      parts.addEntry('allowed-sources', `${address} . ${protocol} . ${port} . ${range}`);
    }
  }
}

/**
 * Only what is on this node can reach itself through this node, with two exceptions: an endpoint whose node is not known, and
 * a pod that comes from another node to a service with a Local external policy, where pods keep their address.
 */
function hairpinElements({ cluster, local, external }: ServiceRules, nodeName: string): string[] {
  return [...cluster, ...local]
    .filter(({ node }) => node === undefined || node === nodeName || external.policy === 'Local')
    .map(({ address }) => `${address} . ${address}`);
}
