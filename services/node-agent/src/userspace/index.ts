export { openUserspaceBalancer, type UserspaceBalancer, type UserspaceOptions } from './userspace-balancer.ts';
