export type { ListenerStatus } from './listener-status.ts';
export {
  openUserspaceBalancer,
  type UserspaceBalancer,
  type UserspaceOptions,
  type UserspaceStats,
} from './userspace-balancer.ts';
