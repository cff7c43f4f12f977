/** The load-balancer worker: registrations of every LoadBalancer Service, and the target groups that follow them. */
import { defineWorker } from '@signalbox/kit';
import { compileRegistrations } from '@signalbox/registrations';

export { startAddressAllocator } from './address-allocator.ts';
export { type RunningTargetGroups, startTargetGroups } from './start-target-groups.ts';
export type { Clock } from './target-groups/clock.ts';

export const lbWorker = defineWorker({
  name: 'lb-worker',
  layer: 'lb',
  reads: ['Service', 'EndpointSlice', 'Node'],
  usesNodes: (service) => service.spec.type === 'LoadBalancer',
  derive: compileRegistrations,
});
