/** What programs a node: rules in the kernel, or the balancer in this process. */
import type { NodeAgentBackend, ProxyPlan } from '@signalbox/contracts';
import type { PlanChange, RenderOptions, RulesNode } from '@signalbox/rules';

export interface ApplyRequest {
  /** Since the last request, also when that one failed. */
  readonly changes: readonly PlanChange[];
  /** Set when the node itself changed. */
  readonly node?: RulesNode;
  /** Program everything, whatever is there: at the start, after a failure, and now and then. */
  readonly isFull: boolean;
}

export interface Applied {
  /** Services of which something cannot be programmed; the others are. */
  readonly skippedServices: readonly string[];
}

/** What the kernel is to be compared with. */
export interface ProgrammedRules {
  /** Another one after each request, also after one that ended as it began. */
  readonly version: number;
  readonly plans: readonly ProxyPlan[];
  readonly options: RenderOptions;
}

export interface Applier {
  readonly backend: NodeAgentBackend;
  /** Undefined before anything is programmed, while something is, after a failure, and where no kernel is programmed. */
  readonly programmed: ProgrammedRules | undefined;
  /**
   * One at a time. Resolves when all of it is programmed. Rejects when that is not so (what was programmed before stays
   * as far as the backend can do that); what it was asked to change is remembered, and the next request has to be full.
   */
  apply(request: ApplyRequest): Promise<Applied>;
  /** Removes what this or an earlier process of this backend programmed. */
  cleanup(): Promise<void>;
  /** Ends what runs; rules in the kernel stay, and keep traffic going without the agent. */
  close(): Promise<void>;
}
