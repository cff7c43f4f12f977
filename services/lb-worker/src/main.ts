import { runProcess } from '@signalbox/kit';
import { startLbWorker } from './start-lb-worker.ts';

await runProcess({
  name: 'lb-worker',
  description: 'Derives load-balancer registrations, and the target groups that load balancers are to have.',
  start: (context) => startLbWorker(context),
});
