/**
 * All parts as one process runs them. Registrations are shared by partitions among the replicas; target groups and
 * addresses are decided by one replica at a time, because they look at all Services of a class together.
 */
import { TARGETS_GROUP } from '@signalbox/contracts';
import {
  asOneService,
  type Membership,
  patiently,
  type RunningService,
  type ServiceContext,
  startInTurn,
  startSharedWorker,
} from '@signalbox/kit';
import { startAddressAllocator } from './address-allocator.ts';
import { lbWorker } from './lb-worker.ts';
import { startTargetGroups } from './start-target-groups.ts';

export async function startLbWorker(
  context: ServiceContext,
  { leaseMs }: { leaseMs: number },
): Promise<RunningService> {
  const decider = await startInTurn(context, {
    name: 'lb-worker',
    work: 'deciding on target groups and addresses',
    group: TARGETS_GROUP,
    leaseMs,
    start: (membership) => startDeciding(context, membership),
  });
  const registrations = await startSharedWorker(context, lbWorker, { leaseMs });
  return asOneService('lb-worker', [registrations, decider]);
}

async function startDeciding(context: ServiceContext, membership: Membership): Promise<RunningService> {
  const start = () => startTargetGroups(context, { membership });
  const targets = await patiently(start, { isWorthIt: () => membership.isValid });
  return asOneService('target-groups', [targets, startAddressAllocator(context)]);
}
