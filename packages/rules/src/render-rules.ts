/** Plans and a node → the full rules of one backend, off-node and without touching anything. */
import type { ProxyPlan } from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import { type Cidr, compareText, type Family, parseCidr } from './addresses.ts';
import { compileServiceRules } from './compile-service-rules.ts';
import { renderIptables } from './iptables/render-iptables.ts';
import { renderIpvs } from './ipvs/render-ipvs.ts';
import type { IpvsScheduler } from './ipvs/virtual-servers.ts';
import { renderNftables } from './nftables/render-nftables.ts';
import type { RenderContext } from './render-context.ts';
import type { RulesNode } from './select-endpoints.ts';
import type { SkippedOfService } from './service-rules.ts';

export const RULES_BACKENDS = ['nftables', 'iptables', 'ipvs'] as const;
export type RulesBackend = (typeof RULES_BACKENDS)[number];

export interface RenderOptions {
  readonly node: RulesNode;
  readonly backend: RulesBackend;
  /** iptables and IPVS text is of one family; nftables text of one or both. */
  readonly families: readonly Family[];
  /** Where pods live: traffic from elsewhere to a cluster IP is masqueraded; empty means that nothing is known of it. */
  readonly clusterCIDRs: readonly string[];
  /** Masquerade all traffic to cluster IPs. */
  readonly masqueradeAll?: boolean;
  /**
   * CIDRs of node addresses that answer on node ports; `0.0.0.0/0` and `::/0` mean all but loopback. Absent means as in
   * kube-proxy: with nftables the node's primary address of each family (all, where none is known), else all addresses.
   */
  readonly nodePortAddresses?: readonly string[];
  /** How IPVS picks a real server; `rr` when absent, as in kube-proxy. */
  readonly ipvsScheduler?: IpvsScheduler;
}

export interface RenderedRules {
  readonly text: string;
  readonly skipped: readonly SkippedOfService[];
}

/**
 * Equal plans in any order, and equal options, give equal bytes. What cannot be rendered is left out and listed, service
 * by service. Throws `invalid` when the options themselves cannot be followed.
 */
export function renderRules(plans: readonly ProxyPlan[], options: RenderOptions): RenderedRules {
  const families = [...new Set(options.families)].sort(compareText);
  if (families.length === 0) throw new SignalboxError('invalid', 'pick at least one of the families IPv4 and IPv6');
  const context = contextOf(options);
  const compiled = families.map((family) => ({ family, ...compileServiceRules(plans, family, options.node) }));
  const skipped = compiled.flatMap((rules) => rules.skipped);
  if (options.backend === 'nftables') return { text: renderNftables(compiled, context), skipped };
  const [rules, ...others] = compiled;
  if (rules === undefined || others.length > 0) {
    throw new SignalboxError('invalid', `${options.backend} rules are of one family: pick IPv4 or IPv6`);
  }
  const { family, services } = rules;
  if (options.backend === 'iptables') return { text: renderIptables(family, services, context), skipped };
  const scheduler = options.ipvsScheduler ?? 'rr';
  return { text: renderIpvs(family, services, { ...context, scheduler }), skipped };
}

export function contextOf(options: RenderOptions): RenderContext {
  return {
    node: options.node,
    clusterCIDRs: options.clusterCIDRs.map((text) => parseCidrOrThrow(text, 'cluster CIDR')),
    masqueradeAll: options.masqueradeAll ?? false,
    nodePortAddresses: options.nodePortAddresses?.map((text) => parseCidrOrThrow(text, 'node port address')),
  };
}

function parseCidrOrThrow(text: string, what: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined)
    throw new SignalboxError('invalid', `${JSON.stringify(text)} is not a ${what} like 10.244.0.0/16`);
  return cidr;
}
