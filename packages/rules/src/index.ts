export type { Family } from './addresses.ts';
export { compileProxyPlan } from './compile-proxy-plan.ts';
export { CompiledServices, type PlanChange } from './compiled-services.ts';
export { boundedWeights } from './endpoint-weights.ts';
export { IPVS_SCHEDULERS, type IpvsScheduler } from './ipvs/virtual-servers.ts';
export {
  type CompareOptions,
  compareStates,
  mergeComparisons,
  type StateComparison,
} from './kernel-state/compare-states.ts';
export { expectedStates, podSourcesOf } from './kernel-state/expected-state.ts';
export type { KernelOwner, KernelState } from './kernel-state/kernel-state.ts';
export { readIptables } from './kernel-state/read-iptables.ts';
export { type IpvsListing, readIpvs } from './kernel-state/read-ipvs.ts';
export { type ReadOptions, readNftables } from './kernel-state/read-nftables.ts';
export {
  type AcknowledgedRevisions,
  LingeringPlans,
  type LingerOutcome,
  type LingerPolicy,
} from './lingering/lingering-plans.ts';
export type { NodePlan } from './node-plan.ts';
export { NodeRules, type RulesScript } from './node-rules.ts';
export type { DetectLocal } from './render-context.ts';
export { type RenderedRules, renderRules } from './render-rules.ts';
export { type RenderOptions, RULES_BACKENDS, type RulesBackend, type RulesStep } from './rules-backend.ts';
export { rulesNodeOf } from './rules-node.ts';
export type { RulesNode } from './select-endpoints.ts';
export type { ServiceRules, SkippedOfService, TransportProtocol } from './service-rules.ts';
export { type StaleFlow, staleFlows } from './stale-flows.ts';
