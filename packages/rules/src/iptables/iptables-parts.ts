/** One service port → its own chains, and its rules in the chains that all services share. */
import type { PlanEndpoint } from '@signalbox/contracts';
import type { Family } from '../addresses.ts';
import { boundedWeights } from '../endpoint-weights.ts';
import { KernelParts } from '../kernel-parts.ts';
import type { RenderContext } from '../render-context.ts';
import type { ServiceRules, TrafficRules } from '../service-rules.ts';
import { type PodMatches, podMatches } from './base-chains.ts';
import { endpointChain, endpointText, type ServiceChains, serviceChains } from './chain-names.ts';
import { comment, type TableName } from './restore-text.ts';

interface Scope {
  readonly text: ServiceText;
  readonly matches: PodMatches;
  readonly masqueradeAll: boolean;
}

/**
 * Chains are named with their table: `nat KUBE-SVC-…`. The shared chains' rules are entries, whose order says nothing: of
 * all services' rules at most one matches a packet.
 */
export function iptablesParts(rules: ServiceRules, family: Family, context: RenderContext): KernelParts {
  const text = new ServiceText();
  const scope = { text, matches: podMatches(family, context), masqueradeAll: context.masqueradeAll };
  addService(scope, rules, serviceChains(rules));
  return text.toParts();
}

const SHARED_CHAINS: ReadonlySet<string> = new Set([
  'nat KUBE-SERVICES',
  'nat KUBE-NODEPORTS',
  'filter KUBE-SERVICES',
  'filter KUBE-NODEPORTS',
  'filter KUBE-EXTERNAL-SERVICES',
  'filter KUBE-PROXY-FIREWALL',
]);

class ServiceText {
  readonly #parts = new KernelParts();
  readonly #chains = new Map<string, string[]>();

  addRule(table: TableName, chain: string, ...words: readonly string[]): void {
    const name = `${table} ${chain}`;
    const rule = words.filter((word) => word !== '').join(' ');
    if (SHARED_CHAINS.has(name)) this.#parts.addEntry(name, rule);
    else this.#chains.set(name, [...(this.#chains.get(name) ?? []), rule]);
  }

  hasRules(table: TableName, chain: string): boolean {
    return this.#chains.has(`${table} ${chain}`);
  }

  toParts(): KernelParts {
    for (const [name, rules] of this.#chains) this.#parts.addChain({ name, rules, definition: '', isShared: false });
    return this.#parts;
  }
}

function addService(scope: Scope, rules: ServiceRules, chains: ServiceChains): void {
  addFrontends(scope, rules, chains);
  addHealthCheck(scope, rules);
  addUnserved(scope, rules);
  addFirewall(scope, rules, chains);
  addInternal(scope, rules, chains);
  addExternal(scope, rules, chains);
  const usesCluster = rules.internal.policy === 'Cluster' || isExternal(rules);
  const usesLocal = rules.internal.policy === 'Local' || (rules.external.policy === 'Local' && isExternal(rules));
  if (usesCluster) addChoice(scope, rules, chains.cluster, rules.cluster);
  if (usesLocal) addChoice(scope, rules, chains.local, rules.local);
}

function isExternal({ externalIPs, loadBalancerVIPs, nodePort }: ServiceRules): boolean {
  return externalIPs.length > 0 || loadBalancerVIPs.length > 0 || nodePort !== undefined;
}

/** nat KUBE-SERVICES and KUBE-NODEPORTS: where traffic enters the service's own chains. */
function addFrontends({ text }: Scope, rules: ServiceRules, chains: ServiceChains): void {
  const { label, protocol, nodePort } = rules;
  const add = (address: string, kind: string, chain: string): void =>
    text.addRule('nat', 'KUBE-SERVICES', comment(`${label} ${kind}`), to(rules, address), `-j ${chain}`);
  if (rules.internal.verdict === 'forward') {
    const chain = rules.internal.policy === 'Local' ? chains.local : chains.cluster;
    for (const address of rules.clusterIPs) add(address, 'cluster IP', chain);
  }
  if (rules.external.verdict === 'reject') return;
  for (const address of rules.externalIPs) add(address, 'external IP', chains.external);
  const balancerChain = rules.sourceRanges.length > 0 ? chains.firewall : chains.external;
  for (const address of rules.loadBalancerVIPs) add(address, 'loadbalancer IP', balancerChain);
  if (nodePort === undefined) return;
  const port = `-m ${protocol} -p ${protocol} --dport ${nodePort}`;
  text.addRule('nat', 'KUBE-NODEPORTS', comment(label), port, `-j ${chains.external}`);
}

function to({ protocol, port }: ServiceRules, address: string): string {
  return `-m ${protocol} -p ${protocol} -d ${address} --dport ${port}`;
}

function addHealthCheck({ text }: Scope, { label, healthCheckNodePort }: ServiceRules): void {
  if (healthCheckNodePort === undefined) return;
  const why = comment(`${label} health check node port`);
  text.addRule('filter', 'KUBE-NODEPORTS', why, `-m tcp -p tcp --dport ${healthCheckNodePort} -j ACCEPT`);
}

/** filter: what still has the service's address was not forwarded. */
function addUnserved({ text }: Scope, rules: ServiceRules): void {
  const { label, protocol, nodePort, internal, external } = rules;
  if (internal.verdict !== 'forward') {
    for (const address of rules.clusterIPs) {
      text.addRule('filter', 'KUBE-SERVICES', unserved(label, internal), to(rules, address), targetOf(internal));
    }
  }
  if (external.verdict === 'forward') return;
  for (const address of [...rules.externalIPs, ...rules.loadBalancerVIPs]) {
    text.addRule('filter', 'KUBE-EXTERNAL-SERVICES', unserved(label, external), to(rules, address), targetOf(external));
  }
  if (nodePort === undefined) return;
  const match = `-m addrtype --dst-type LOCAL -m ${protocol} -p ${protocol} --dport ${nodePort}`;
  text.addRule('filter', 'KUBE-EXTERNAL-SERVICES', unserved(label, external), match, targetOf(external));
}

function unserved(label: string, { verdict }: TrafficRules): string {
  return comment(`${label} has no ${verdict === 'drop' ? 'local ' : ''}endpoints`);
}

function targetOf({ verdict }: TrafficRules): string {
  return verdict === 'reject' ? '-j REJECT' : '-j DROP';
}

/**
 * A source that is not allowed leaves KUBE-FW unchanged, and is dropped by the filter for still having the VIP. What has no
 * endpoints is rejected for everybody alike: a drop here would come first, and hit allowed sources too.
 */
function addFirewall({ text }: Scope, rules: ServiceRules, chains: ServiceChains): void {
  const isRestricted = rules.sourceRanges.length > 0 && rules.loadBalancerVIPs.length > 0;
  if (!isRestricted || rules.external.verdict === 'reject') return;
  for (const address of rules.loadBalancerVIPs) {
    const why = comment(`${rules.label} traffic not accepted by ${chains.firewall}`);
    text.addRule('filter', 'KUBE-PROXY-FIREWALL', why, to(rules, address), '-j DROP');
  }
  const why = comment(`${rules.label} loadbalancer IP`);
  for (const range of rules.sourceRanges) {
    text.addRule('nat', chains.firewall, why, `-s ${range} -j ${chains.external}`);
  }
}

/** Traffic to a cluster IP that does not come from pods may come back another way, so it is masqueraded. */
function addInternal({ text, matches, masqueradeAll }: Scope, rules: ServiceRules, chains: ServiceChains): void {
  if (rules.internal.verdict !== 'forward') return;
  const chain = rules.internal.policy === 'Local' ? chains.local : chains.cluster;
  const masquerade = masqueradeAll ? '-j KUBE-MARK-MASQ' : matches.others;
  if (masquerade === undefined) return;
  for (const address of rules.clusterIPs) {
    text.addRule('nat', chain, comment(`${rules.label} cluster IP`), to(rules, address), masquerade);
  }
}

/** Under the Local policy this node's own traffic and its pods' are served as if they came back through a load balancer. */
function addExternal({ text, matches }: Scope, rules: ServiceRules, chains: ServiceChains): void {
  if (rules.external.verdict === 'reject' || !isExternal(rules)) return;
  const add = (what: string, rule: string): void =>
    text.addRule('nat', chains.external, comment(`${what} for ${rules.label} external destinations`), rule);
  if (rules.external.policy === 'Cluster') {
    add('masquerade traffic', '-j KUBE-MARK-MASQ');
    text.addRule('nat', chains.external, `-j ${chains.cluster}`);
    return;
  }
  for (const match of matches.pods) add('pod traffic', `${match} -j ${chains.cluster}`);
  add('masquerade LOCAL traffic', '-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ');
  add('route LOCAL traffic', `-m addrtype --src-type LOCAL -j ${chains.cluster}`);
  if (rules.local.length > 0) text.addRule('nat', chains.external, `-j ${chains.local}`);
}

/** One rule per endpoint: the first of n with probability 1/n, else the second with 1/(n-1), and so on. */
function addChoice({ text }: Scope, rules: ServiceRules, chain: string, endpoints: readonly PlanEndpoint[]): void {
  const weights = boundedWeights(endpoints);
  let remaining = weights.reduce((sum, weight) => sum + weight, 0);
  const random: string[] = [];
  for (const [index, endpoint] of endpoints.entries()) {
    const target = endpointChain(rules, endpoint);
    const why = comment(`${rules.label} -> ${endpointText(endpoint)}`);
    const weight = weights[index] ?? 0;
    addEndpoint(text, rules, endpoint, target);
    if (rules.affinitySeconds !== undefined) {
      const known = `-m recent --name ${target} --rcheck --seconds ${rules.affinitySeconds} --reap`;
      text.addRule('nat', chain, why, known, `-j ${target}`);
    }
    if (weight > 0) random.push([why, probability(weight, remaining), `-j ${target}`].filter(Boolean).join(' '));
    remaining -= weight;
  }
  for (const rule of random) text.addRule('nat', chain, rule);
}

function probability(weight: number, remaining: number): string {
  if (weight >= remaining) return '';
  return `-m statistic --mode random --probability ${(weight / remaining).toFixed(10)}`;
}

function addEndpoint(text: ServiceText, rules: ServiceRules, endpoint: PlanEndpoint, chain: string): void {
  // Endpoints under both policies are in one chain.
  if (text.hasRules('nat', chain)) return;
  const { label, protocol } = rules;
  text.addRule('nat', chain, comment(label), `-s ${endpoint.address} -j KUBE-MARK-MASQ`);
  const remember = rules.affinitySeconds === undefined ? '' : `-m recent --name ${chain} --set`;
  const target = `-j DNAT --to-destination ${endpointText(endpoint)}`;
  text.addRule('nat', chain, comment(label), remember, `-m ${protocol} -p ${protocol}`, target);
}
