import { runProcess, startWorkers } from '@signalbox/kit';
import { proxyWorker } from './index.ts';

await runProcess({
  name: 'proxy-worker',
  description: 'Derives proxy plans from Services and EndpointSlices.',
  start: (context) => startWorkers(context, [proxyWorker]),
});
