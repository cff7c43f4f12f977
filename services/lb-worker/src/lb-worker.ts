/** Registrations of every LoadBalancer Service. */
import { defineWorker } from '@signalbox/kit';
import { compileRegistrations } from '@signalbox/registrations';

export const lbWorker = defineWorker({
  name: 'lb-worker',
  layer: 'lb',
  reads: ['Service', 'EndpointSlice', 'Node'],
  usesNodes: (service) => service.spec.type === 'LoadBalancer',
  derive: compileRegistrations,
});
