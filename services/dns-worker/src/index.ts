/** The DNS worker: the records of every Service and every intent. */
import { defineWorker, type WorkerDefinition } from '@signalbox/kit';
import { compileIntent, compileRecordSet } from '@signalbox/zones';

/** As kubeadm sets CoreDNS up. */
export const DEFAULT_DNS_TTL_SECONDS = 30;

export function dnsWorker(options: { ttlSeconds: number }): WorkerDefinition<'dns'> {
  return defineWorker({
    name: 'dns-worker',
    layer: 'dns',
    reads: ['Service', 'EndpointSlice'],
    derive: (view) => compileRecordSet(view, options),
    deriveIntent: (intent, zones) => compileIntent(intent, { zones, ...options }),
  });
}
