/** The load-balancer worker: registrations, the target groups that follow them, addresses from pools. */
export { startAddressAllocator } from './address-allocator.ts';
export { lbWorker } from './lb-worker.ts';
export { startLbWorker } from './start-lb-worker.ts';
export { type RunningTargetGroups, startTargetGroups } from './start-target-groups.ts';
