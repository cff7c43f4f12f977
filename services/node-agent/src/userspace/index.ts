export type { ListenerStatus } from './listener-status.ts';
export {
  openUserspaceBalancer,
  type PlanChange,
  type UserspaceBalancer,
  type UserspaceOptions,
  type UserspaceStats,
} from './userspace-balancer.ts';
