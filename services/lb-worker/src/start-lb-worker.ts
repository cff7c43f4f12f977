import { type Readiness, type RunningService, type ServiceContext, startWorkers } from '@signalbox/kit';
import { startAddressAllocator } from './address-allocator.ts';
import { lbWorker } from './index.ts';
import { startTargetGroups } from './start-target-groups.ts';

const READY: Readiness = { isReady: true, reason: '' };

/** All parts as one process runs them: addresses from pools, registrations, and the target groups that follow them. */
export async function startLbWorker(context: ServiceContext): Promise<RunningService> {
  const targets = await startTargetGroups(context);
  const workers = await startWorkers(context, [lbWorker]);
  const addresses = startAddressAllocator(context);
  const parts = [workers, targets, addresses];
  return {
    name: 'lb-worker',
    readiness: () => parts.map((part) => part.readiness()).find(({ isReady }) => !isReady) ?? READY,
    failure: Promise.race(parts.map((part) => part.failure)),
    async stop() {
      await addresses.stop();
      await workers.stop();
      await targets.stop();
    },
  };
}
