export type { ListenerStatus } from './listener-status.ts';
export { openUserspaceBalancer, type UserspaceBalancer, type UserspaceOptions } from './userspace-balancer.ts';
