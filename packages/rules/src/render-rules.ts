/** Plans and a node → the full rules of one backend, off-node and without touching anything. */
import type { ProxyPlan } from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import { compareText, type Family } from './addresses.ts';
import { CompiledServices } from './compiled-services.ts';
import { renderIptables } from './iptables/render-iptables.ts';
import { renderIpvs } from './ipvs/render-ipvs.ts';
import type { IpvsScheduler } from './ipvs/virtual-servers.ts';
import { renderNftables } from './nftables/render-nftables.ts';
import { type ContextOptions, contextOf } from './render-context.ts';
import type { SkippedOfService } from './service-rules.ts';

export const RULES_BACKENDS = ['nftables', 'iptables', 'ipvs'] as const;
export type RulesBackend = (typeof RULES_BACKENDS)[number];

export interface RenderOptions extends ContextOptions {
  readonly backend: RulesBackend;
  /** iptables and IPVS text is of one family; nftables text of one or both. */
  readonly families: readonly Family[];
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
  const families = familiesOf(options);
  const context = contextOf(options);
  const compiled = families.map((family) => {
    const services = new CompiledServices(family, options.node);
    services.apply(plans.map((plan) => ({ key: plan, plan })));
    return { family, services: services.all(), skipped: services.skipped() };
  });
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

/** Each once, in one order. Throws `invalid` for none. */
export function familiesOf({ families }: RenderOptions): Family[] {
  if (families.length === 0) throw new SignalboxError('invalid', 'pick at least one of the families IPv4 and IPv6');
  return [...new Set(families)].sort(compareText);
}
