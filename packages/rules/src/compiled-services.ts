/** The rules of all services on one node in one family, kept right while plans come and go. */
import { type ServiceKey, serviceKeyText } from '@signalbox/contracts';
import { AddressClaims, type Claimant } from './address-claims.ts';
import type { Family } from './addresses.ts';
import { compileServiceRules } from './compile-service-rules.ts';
import { claimsOf, type DraftScope, draftServices, type ServiceDraft } from './draft-services.ts';
import type { NodePlan } from './node-plan.ts';
import type { RulesNode } from './select-endpoints.ts';
import type { ServiceRules, SkippedOfService } from './service-rules.ts';

/** `plan` undefined: the service is gone. */
export interface PlanChange {
  readonly key: ServiceKey;
  readonly plan: NodePlan | undefined;
}

/** A service that is not the same any more: changed itself, or given what another one let go. */
export interface ServiceChange {
  readonly before: readonly ServiceRules[];
  readonly after: readonly ServiceRules[];
}

interface Entry {
  readonly drafts: readonly ServiceDraft[];
  /** What did not even become a draft. */
  readonly unfit: readonly SkippedOfService[];
  readonly rules: readonly ServiceRules[];
  /** What it does not get is nobody's loss. */
  readonly isLingering: boolean;
}

const NO_ENTRY: Entry = { drafts: [], unfit: [], rules: [], isLingering: false };

/**
 * The state is a function of the current plans alone: equal plans give equal rules, in whatever order they came. A change
 * costs what the changed services cost, and those with which they share addresses.
 */
export class CompiledServices {
  readonly #scope: DraftScope;
  readonly #node: RulesNode;
  readonly #claims = new AddressClaims();
  readonly #entries = new Map<string, Entry>();
  /** Only of services that have something left out. */
  readonly #skipped = new Map<string, readonly SkippedOfService[]>();

  /** For `nodePortAddresses` see `DraftScope`. */
  constructor(family: Family, node: RulesNode, nodePortAddresses: readonly string[] = []) {
    this.#scope = { family, nodePortAddresses };
    this.#node = node;
  }

  apply(changes: readonly PlanChange[]): ServiceChange[] {
    const before = new Map<string, readonly ServiceRules[]>();
    const touch = (text: string): void => {
      if (!before.has(text)) before.set(text, this.#entries.get(text)?.rules ?? []);
    };
    const touchAll = (claimants: readonly Claimant[]): void => {
      for (const { plan } of claimants) touch(serviceKeyText(plan));
    };
    for (const { key, plan } of changes) {
      const text = serviceKeyText(key);
      touch(text);
      const { drafts } = this.#entries.get(text) ?? NO_ENTRY;
      for (const claim of drafts.flatMap(claimsOf)) touchAll(this.#claims.remove(claim));
      touchAll(this.#draft(text, plan));
    }
    return [...before].map(([text, rules]) => ({ before: rules, after: this.#compile(text) }));
  }

  /** In the order of names. */
  all(): ServiceRules[] {
    return [...this.#entries.keys()].sort().flatMap((text) => this.#entries.get(text)?.rules ?? []);
  }

  skipped(): SkippedOfService[] {
    return [...this.#skipped.keys()].sort().flatMap((text) => this.#skipped.get(text) ?? []);
  }

  #draft(text: string, plan: NodePlan | undefined): Claimant[] {
    if (plan === undefined) {
      this.#entries.delete(text);
      return [];
    }
    const unfit: SkippedOfService[] = [];
    const drafts = draftServices(plan, this.#scope, unfit);
    this.#entries.set(text, { drafts, unfit, rules: [], isLingering: plan.lingeringEntries !== undefined });
    return drafts.flatMap(claimsOf).flatMap((claim) => this.#claims.add(claim));
  }

  #compile(text: string): readonly ServiceRules[] {
    const entry = this.#entries.get(text) ?? NO_ENTRY;
    const skipped = [...entry.unfit];
    const scope = { family: this.#scope.family, node: this.#node, claims: this.#claims, skipped };
    const rules = entry.drafts.flatMap((draft) => compileServiceRules(draft, scope) ?? []);
    if (this.#entries.has(text)) this.#entries.set(text, { ...entry, rules });
    if (skipped.length > 0 && !entry.isLingering) this.#skipped.set(text, skipped);
    else this.#skipped.delete(text);
    return rules;
  }
}
