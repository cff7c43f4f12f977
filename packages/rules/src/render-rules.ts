/** Plans and a node → the full rules of one backend, off-node and without touching anything. */
import { type ProxyPlan, SignalboxError } from '@signalbox/contracts';
import { compareText, type Family } from './addresses.ts';
import { CompiledServices } from './compiled-services.ts';
import { openBackend, type RenderOptions } from './rules-backend.ts';
import type { SkippedOfService } from './service-rules.ts';

export interface RenderedRules {
  readonly text: string;
  readonly skipped: readonly SkippedOfService[];
}

/**
 * Equal plans in any order, and equal options, give equal bytes. What cannot be rendered is left out and listed, service
 * by service. Throws `invalid` when the options themselves cannot be followed.
 */
export function renderRules(plans: readonly ProxyPlan[], options: RenderOptions): RenderedRules {
  const backend = openBackend(options);
  const skipped: SkippedOfService[] = [];
  const compiled = familiesOf(options).map((family) => {
    const services = new CompiledServices(family, options.node, backend.nodePortAddresses(family));
    services.apply(plans.map((plan) => ({ key: plan, plan })));
    skipped.push(...services.skipped());
    return { family, parts: services.all().map((rules) => backend.partsOf(rules, family)) };
  });
  return { text: backend.render(compiled), skipped };
}

/** Each once, in one order. Throws `invalid` for none. */
export function familiesOf({ families }: RenderOptions): Family[] {
  if (families.length === 0) throw new SignalboxError('invalid', 'pick at least one of the families IPv4 and IPv6');
  return [...new Set(families)].sort(compareText);
}
