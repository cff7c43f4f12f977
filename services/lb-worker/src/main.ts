import { type LeaseFlags, leaseOption, runProcess, startSharedWorker } from '@signalbox/kit';
import { lbWorker } from './index.ts';

await runProcess<LeaseFlags>({
  name: 'lb-worker',
  description: 'Derives load-balancer registrations from Services, EndpointSlices and Nodes.',
  options: (command) => command.addOption(leaseOption()),
  start: (context, { lease }) => startSharedWorker(context, lbWorker, { leaseMs: lease * 1000 }),
});
