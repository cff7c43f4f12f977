export type { Family } from './addresses.ts';
export { compileProxyPlan } from './compile-proxy-plan.ts';
export { type CompiledRules, compileServiceRules } from './compile-service-rules.ts';
export { boundedWeights } from './endpoint-weights.ts';
export { IPVS_SCHEDULERS, type IpvsScheduler } from './ipvs/virtual-servers.ts';
export {
  NodeRules,
  type PlanChange,
  type RemovedEndpoint,
  type RulesScript,
  type RulesStep,
} from './node-rules.ts';
export {
  type RenderedRules,
  type RenderOptions,
  RULES_BACKENDS,
  type RulesBackend,
  renderRules,
} from './render-rules.ts';
export { rulesNodeOf } from './rules-node.ts';
export type { RulesNode } from './select-endpoints.ts';
export type { ServiceRules, SkippedOfService, TransportProtocol } from './service-rules.ts';
