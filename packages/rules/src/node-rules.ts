/** The rules of one node as a state machine: plans come and go, scripts for the kernel come out. Pure: no I/O, no clock. */
import { serviceKeyText } from '@signalbox/contracts';
import type { Family } from './addresses.ts';
import { CompiledServices, type PlanChange, type ServiceChange } from './compiled-services.ts';
import { type KernelParts, PartsLedger } from './kernel-parts.ts';
import type { NodePlan } from './node-plan.ts';
import { familiesOf } from './render-rules.ts';
import {
  type FamilyDelta,
  openBackend,
  type RenderOptions,
  type RulesBackendState,
  type RulesStep,
} from './rules-backend.ts';
import type { RulesNode } from './select-endpoints.ts';
import type { ServiceRules, SkippedOfService } from './service-rules.ts';
import { mayHaveStaleFlows } from './stale-flows.ts';

export interface RulesScript {
  /** To be run in order, stopping at the first that fails; empty when there is nothing to do. */
  readonly steps: readonly RulesStep[];
  /** What is left out now, of all services. */
  readonly skipped: readonly SkippedOfService[];
  /** The steps put everything in place of whatever the kernel holds; else they change what it holds. */
  readonly isWhole: boolean;
  /** Services whose tracked UDP flows have to be looked at after the steps, see `staleFlows`. */
  readonly flowChecks: readonly NodePlan[];
}

interface FamilyState {
  readonly family: Family;
  readonly services: CompiledServices;
  readonly ledger: PartsLedger;
}

/**
 * Holds what the kernel should hold; the caller sees to it that it does.
 *
 *     new ──reset(plans)──► ready ──update(changes)──► ready        each step's script must have run before the next one's
 *                             │ ▲
 *          a script failed, or│ │full(), setNode(node)              whatever the kernel held
 *          the kernel drifted ▼ │
 *                           unknown
 *
 * An update costs what its services cost, whatever the number of the others. `update([])` does what was put off (see
 * `StaleChains`): to be called now and then, when nothing else happens.
 */
export class NodeRules {
  #options: RenderOptions;
  #backend: RulesBackendState;
  #families: readonly FamilyState[] = [];
  #plans = new Map<string, NodePlan>();

  /** Throws `invalid` for options that cannot be followed. */
  constructor(options: RenderOptions) {
    this.#options = options;
    this.#backend = openBackend(options);
    this.#compile();
  }

  /** What the kernel is to be compared with, once all scripts have run. */
  get plans(): readonly NodePlan[] {
    return [...this.#plans.values()];
  }

  get options(): RenderOptions {
    return this.#options;
  }

  /** Everything, in place of whatever the kernel holds of an earlier state, run or version. */
  full(): RulesScript {
    this.#families = this.#families.map((state) => ({ ...state, ledger: this.#newLedger(state.family) }));
    const steps = this.#backend.replace(
      this.#families.map((state) => ({ family: state.family, parts: this.#countedParts(state) })),
    );
    return this.#script(steps, {
      isWhole: true,
      flowChecks: this.plans.filter((plan) => mayHaveStaleFlows(undefined, plan)),
    });
  }

  /** From the state after the last script to the one with these changes. */
  update(changes: readonly PlanChange[]): RulesScript {
    const flowChecks = this.#note(changes);
    const deltas = this.#families.map((state) => this.#change(state, changes));
    return this.#script(this.#backend.update(deltas, changes.length === 0), { flowChecks });
  }

  /** Everything anew if the node's name, zone or addresses changed, else nothing. */
  setNode(node: RulesNode): RulesScript {
    if (isSameNode(node, this.#options.node)) return this.#script([]);
    this.#options = { ...this.#options, node };
    this.#backend = openBackend(this.#options);
    this.#compile();
    return this.full();
  }

  /** These plans and no others, in place of whatever the kernel holds. */
  reset(plans: readonly NodePlan[]): RulesScript {
    this.#plans = new Map(plans.map((plan) => [serviceKeyText(plan), plan]));
    this.#compile();
    return this.full();
  }

  /** Gives the plans whose flows are to be looked at. */
  #note(changes: readonly PlanChange[]): NodePlan[] {
    return changes.flatMap(({ key, plan }) => {
      const text = serviceKeyText(key);
      const before = this.#plans.get(text);
      if (plan === undefined) this.#plans.delete(text);
      else this.#plans.set(text, plan);
      return plan !== undefined && mayHaveStaleFlows(before, plan) ? [plan] : [];
    });
  }

  /** To be followed by `full`, which counts what services share. */
  #compile(): void {
    const changes = [...this.#plans.values()].map((plan) => ({ key: plan, plan }));
    this.#families = familiesOf(this.#options).map((family) => {
      const services = new CompiledServices(family, this.#options.node, this.#backend.nodePortAddresses(family));
      services.apply(changes);
      return { family, services, ledger: this.#newLedger(family) };
    });
  }

  #newLedger(family: Family): PartsLedger {
    return new PartsLedger(this.#backend.countedContainers(family));
  }

  /** One service's parts at a time: together they would be most of the memory that a load takes. */
  *#countedParts({ family, services, ledger }: FamilyState): Iterable<KernelParts> {
    for (const rules of services.all()) {
      const parts = this.#backend.partsOf(rules, family);
      ledger.add(parts);
      yield parts;
    }
  }

  #change({ family, services, ledger }: FamilyState, changes: readonly PlanChange[]): FamilyDelta {
    const partsOf = (rules: ServiceRules): KernelParts => this.#backend.partsOf(rules, family);
    const changed: readonly ServiceChange[] = services.apply(changes);
    const before = changed.flatMap((change) => change.before.map(partsOf));
    const after = changed.flatMap((change) => change.after.map(partsOf));
    return { family, delta: ledger.change(before, after) };
  }

  #script(steps: readonly RulesStep[], rest: Partial<RulesScript> = {}): RulesScript {
    const skipped = this.#families.flatMap(({ services }) => services.skipped());
    return { steps, skipped, isWhole: false, flowChecks: [], ...rest };
  }
}

function isSameNode(a: RulesNode, b: RulesNode): boolean {
  const textOf = ({ name, zone, addresses, podCIDRs }: RulesNode): string =>
    JSON.stringify([name, zone ?? null, addresses, podCIDRs ?? []]);
  return textOf(a) === textOf(b);
}
