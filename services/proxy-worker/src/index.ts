/** The proxy worker: a node-independent proxy plan of every Service. */
import { defineWorker } from '@signalbox/kit';
import { compileProxyPlan } from '@signalbox/rules';

export const proxyWorker = defineWorker({
  name: 'proxy-worker',
  layer: 'proxy',
  reads: ['Service', 'EndpointSlice'],
  derive: compileProxyPlan,
});
