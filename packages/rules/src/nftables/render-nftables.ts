/**
 * Service rules → an nftables transaction, for `nft -f`. One table per family, `ip signalbox` and `ip6 signalbox`.
 *
 *     service-ips: address . protocol . port ──► internal-3 ──► endpoints-3 ──► endpoints-tcp:
 *     service-nodeports:    protocol . port ──► nodeport-3 ──► …                address . port . number ──► endpoint
 *
 * There is no chain per service: chains depend only on how many endpoints there are to choose from, and a service is
 * elements of maps that all services share. The cost of a change is then that of its elements. Services with session
 * affinity are the exception: each has a chain that tries its endpoints, but all share one set of known clients.
 */

import type { PlanEndpoint } from '@signalbox/contracts';
import { compareText, type Family } from '../addresses.ts';
import type { RenderContext } from '../render-context.ts';
import type { ServiceRules, TrafficRules } from '../service-rules.ts';
import { addBaseTable, FAMILY_SYNTAX, REJECT_CHAIN } from './base-table.ts';
import { EntryChains } from './entry-chains.ts';
import { LOCAL_NUMBERS_FROM, slotsOf } from './slots.ts';
import { TableBuilder } from './table-builder.ts';

export interface FamilyRules {
  readonly family: Family;
  readonly services: readonly ServiceRules[];
}

const TABLE = 'signalbox';

export function renderNftables(families: readonly FamilyRules[], context: RenderContext): string {
  return families.map((rules) => renderTable(rules, context)).join('\n');
}

function renderTable({ family, services }: FamilyRules, context: RenderContext): string {
  const syntax = FAMILY_SYNTAX[family];
  const table = new TableBuilder(`${syntax.ip} ${TABLE}`);
  addBaseTable(table, syntax, context);
  const chains = new EntryChains(table, syntax, context);
  for (const rules of services) addService(table, chains, rules);
  addUnique(
    table,
    'cluster-ips',
    services.flatMap(({ clusterIPs }) => clusterIPs),
  );
  addUnique(
    table,
    'hairpin',
    services.flatMap((rules) => hairpinElements(rules, context.node.name)),
  );
  return table.toText();
}

function addService(table: TableBuilder, chains: EntryChains, rules: ServiceRules): void {
  const { protocol, port, label } = rules;
  const key = (address: string, kind: string): string =>
    `${address} . ${protocol} . ${port} comment "${label} ${kind}"`;
  for (const address of rules.clusterIPs) {
    if (rules.internal.verdict !== 'forward') {
      table.addElement('service-verdicts', `${key(address, 'cluster IP')} : ${verdictOf(rules.internal)}`);
      continue;
    }
    table.addElement('service-ips', `${key(address, 'cluster IP')} : goto ${chains.internal(rules)}`);
    addEndpoints(table, `endpoints-${protocol}`, `${address} . ${port}`, endpointsFor(rules, rules.internal, false));
  }
  for (const [address, kind] of externalAddresses(rules)) {
    addExternal(table, rules, 'service', key(address, kind), () => chains.external(rules, 'address'));
    addEndpoints(table, `endpoints-${protocol}`, `${address} . ${port}`, endpointsFor(rules, rules.external, true));
  }
  if (rules.nodePort !== undefined) {
    const nodePortKey = `${protocol} . ${rules.nodePort} comment "${label} node port"`;
    addExternal(table, rules, 'nodeport', nodePortKey, () => chains.external(rules, 'nodeport'));
    addEndpoints(
      table,
      `nodeport-endpoints-${protocol}`,
      `${rules.nodePort}`,
      endpointsFor(rules, rules.external, true),
    );
  }
  addSourceRanges(table, rules);
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
  table: TableBuilder,
  { external }: ServiceRules,
  kind: 'service' | 'nodeport',
  key: string,
  chain: () => string,
): void {
  const dispatch = kind === 'service' ? 'service-ips' : 'service-nodeports';
  if (external.verdict !== 'reject') table.addElement(dispatch, `${key} : goto ${chain()}`);
  if (external.verdict !== 'forward') table.addElement(`${kind}-verdicts`, `${key} : ${verdictOf(external)}`);
}

function verdictOf({ verdict }: TrafficRules): string {
  return verdict === 'reject' ? `goto ${REJECT_CHAIN}` : 'drop';
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

function addEndpoints(table: TableBuilder, map: string, key: string, { cluster, local }: Numbered): void {
  const elements = [
    ...slotsOf(cluster).map((slot, number) => `${key} . ${number} : ${slot.address} . ${slot.port}`),
    ...slotsOf(local).map((slot, index) => `${key} . ${LOCAL_NUMBERS_FROM + index} : ${slot.address} . ${slot.port}`),
  ];
  table.addElements(map, elements);
}

function addSourceRanges(table: TableBuilder, { sourceRanges, loadBalancerVIPs, protocol, port }: ServiceRules): void {
  if (sourceRanges.length === 0) return;
  for (const address of loadBalancerVIPs) {
    table.addElement('restricted-ips', `${address} . ${protocol} . ${port}`);
    for (const range of sourceRanges) {
      table.addElement('allowed-sources', `${address} . ${protocol} . ${port} . ${range}`);
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

function addUnique(table: TableBuilder, container: string, elements: readonly string[]): void {
  for (const element of [...new Set(elements)].sort(compareText)) table.addElement(container, element);
}
