export type { Family } from './addresses.ts';
export { compileProxyPlan } from './compile-proxy-plan.ts';
export { CompiledServices, type PlanChange } from './compiled-services.ts';
export { boundedWeights } from './endpoint-weights.ts';
export { IPVS_SCHEDULERS, type IpvsScheduler } from './ipvs/virtual-servers.ts';
export { NodeRules, type RulesScript } from './node-rules.ts';
export type { DetectLocal } from './render-context.ts';
export {
  type RenderedRules,
  type RenderOptions,
  RULES_BACKENDS,
  type RulesBackend,
  renderRules,
} from './render-rules.ts';
export type { RulesStep } from './rules-backend.ts';
export { rulesNodeOf } from './rules-node.ts';
export type { RulesNode } from './select-endpoints.ts';
export type { ServiceRules, SkippedOfService, TransportProtocol } from './service-rules.ts';
export type { RemovedEndpoint } from './stale-flows.ts';
