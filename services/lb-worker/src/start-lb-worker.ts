import { type Readiness, type RunningService, type ServiceContext, startWorkers } from '@signalbox/kit';
import { lbWorker } from './index.ts';
import { startTargetGroups } from './start-target-groups.ts';

const READY: Readiness = { isReady: true, reason: '' };

/** Both halves as one process runs them: registrations, and the target groups that follow them. */
export async function startLbWorker(context: ServiceContext): Promise<RunningService> {
  const targets = await startTargetGroups(context);
  const workers = await startWorkers(context, [lbWorker]);
  return {
    name: 'lb-worker',
    readiness: () => [workers, targets].map((part) => part.readiness()).find(({ isReady }) => !isReady) ?? READY,
    failure: Promise.race([workers.failure, targets.failure]),
    async stop() {
      await workers.stop();
      await targets.stop();
    },
  };
}
