/** The rules of one node as a state machine: plans come and go, scripts for the kernel come out. Pure: no I/O, no clock. */
import { type ProxyPlan, type ServiceKey, serviceKeyText } from '@signalbox/contracts';
import type { Family } from './addresses.ts';
import { type RenderOptions, renderRules } from './render-rules.ts';
import type { RulesNode } from './select-endpoints.ts';
import type { SkippedOfService } from './service-rules.ts';

/** `plan` undefined: the service is gone. */
export interface PlanChange {
  readonly key: ServiceKey;
  readonly plan: ProxyPlan | undefined;
}

/** One program to run, with `input` on its standard input. */
export interface RulesStep {
  readonly program: 'nft' | 'iptables-restore' | 'ip6tables-restore' | 'sh';
  readonly args: readonly string[];
  readonly input: string;
}

/** Flows that are still translated to an endpoint which is gone: to be deleted from conntrack after the steps. */
export interface RemovedEndpoint {
  readonly protocol: 'udp' | 'tcp' | 'sctp';
  readonly family: Family;
  readonly serviceAddresses: readonly string[];
  readonly servicePort: number;
  readonly nodePort?: number;
  readonly address: string;
  readonly port: number;
}

export interface RulesScript {
  /** To be run in order, stopping at the first that fails; empty when there is nothing to do. */
  readonly steps: readonly RulesStep[];
  /** What is left out now, of all services. */
  readonly skipped: readonly SkippedOfService[];
  readonly removedEndpoints: readonly RemovedEndpoint[];
}

export class NodeRules {
  #options: RenderOptions;
  #plans = new Map<string, ProxyPlan>();

  constructor(options: RenderOptions) {
    this.#options = options;
  }

  /** Everything, whatever the kernel holds of an earlier run. */
  full(): RulesScript {
    const { backend, families } = this.#options;
    if (backend === 'nftables') return this.#script([families]);
    return this.#script([...new Set(families)].map((family) => [family]));
  }

  /** From the state after the last script to the one with these changes. */
  update(changes: readonly PlanChange[]): RulesScript {
    for (const { key, plan } of changes) {
      if (plan === undefined) this.#plans.delete(serviceKeyText(key));
      else this.#plans.set(serviceKeyText(key), plan);
    }
    return this.full();
  }

  setNode(node: RulesNode): RulesScript {
    this.#options = { ...this.#options, node };
    return this.full();
  }

  /** These plans and no others. */
  reset(plans: readonly ProxyPlan[]): RulesScript {
    this.#plans = new Map(plans.map((plan) => [serviceKeyText(plan), plan]));
    return this.full();
  }

  #script(parts: readonly (readonly Family[])[]): RulesScript {
    const rendered = parts.map((families) => ({
      families,
      ...renderRules([...this.#plans.values()], { ...this.#options, families }),
    }));
    return {
      steps: rendered.map(({ families, text }) => stepOf(this.#options.backend, families, text)),
      skipped: rendered.flatMap(({ skipped }) => skipped),
      removedEndpoints: [],
    };
  }
}

function stepOf(backend: RenderOptions['backend'], families: readonly Family[], input: string): RulesStep {
  if (backend === 'nftables') return { program: 'nft', args: ['-f', '-'], input };
  if (backend === 'ipvs') return { program: 'sh', args: [], input };
  const program = families.includes('IPv6') ? 'ip6tables-restore' : 'iptables-restore';
  return { program, args: ['--noflush'], input };
}
