import { runProcess } from '@signalbox/kit';
import { type ClusterAccessFlags, clusterAccessOptions, openStatusClients, startStatusWriter } from './index.ts';

await runProcess<ClusterAccessFlags>({
  name: 'status-writer',
  description: 'Writes load-balancer addresses and readiness gates back to the clusters that are named.',
  options: clusterAccessOptions,
  start: async (context, flags) => startStatusWriter(context, { clusters: openStatusClients(flags) }),
});
