import { runProcess, startWorkers } from '@signalbox/kit';
import { lbWorker } from './index.ts';

await runProcess({
  name: 'lb-worker',
  description: 'Derives load-balancer registrations from Services, EndpointSlices and Nodes.',
  start: (context) => startWorkers(context, [lbWorker]),
});
