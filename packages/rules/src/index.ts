export { compileProxyPlan } from './compile-proxy-plan.ts';
export { IPVS_SCHEDULERS, type IpvsScheduler } from './ipvs/virtual-servers.ts';
export {
  type CompareOptions,
  compareStates,
  mergeComparisons,
  type StateComparison,
} from './kernel-state/compare-states.ts';
export { clusterCIDRsOf, expectedStates } from './kernel-state/expected-state.ts';
export type { KernelOwner, KernelState } from './kernel-state/kernel-state.ts';
export { readIptables } from './kernel-state/read-iptables.ts';
export { type IpvsListing, readIpvs } from './kernel-state/read-ipvs.ts';
export { type ReadOptions, readNftables } from './kernel-state/read-nftables.ts';
export {
  type RenderedRules,
  type RenderOptions,
  RULES_BACKENDS,
  type RulesBackend,
  renderRules,
} from './render-rules.ts';
export { rulesNodeOf } from './rules-node.ts';
export type { RulesNode } from './select-endpoints.ts';
export type { SkippedOfService } from './service-rules.ts';
