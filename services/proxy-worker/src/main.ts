import { type LeaseFlags, leaseOption, runProcess, startSharedWorker } from '@signalbox/kit';
import { proxyWorker } from './index.ts';

await runProcess<LeaseFlags>({
  name: 'proxy-worker',
  description: 'Derives proxy plans from Services and EndpointSlices.',
  options: (command) => command.addOption(leaseOption()),
  start: (context, { lease }) => startSharedWorker(context, proxyWorker, { leaseMs: lease * 1000 }),
});
