import { type LeaseFlags, leaseOption, runProcess } from '@signalbox/kit';
import { startLbWorker } from './start-lb-worker.ts';

await runProcess<LeaseFlags>({
  name: 'lb-worker',
  description: 'Derives load-balancer registrations, and the target groups that load balancers are to have.',
  options: (command) => command.addOption(leaseOption()),
  start: (context, { lease }) => startLbWorker(context, { leaseMs: lease * 1000 }),
});
