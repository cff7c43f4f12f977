/** The DNS worker: the records of every Service. */
import { defineWorker, type WorkerDefinition } from '@signalbox/kit';
import { compileRecordSet } from '@signalbox/zones';

/** As kubeadm sets CoreDNS up. */
export const DEFAULT_DNS_TTL_SECONDS = 30;

export function dnsWorker(options: { ttlSeconds: number }): WorkerDefinition<'dns'> {
  return defineWorker({
    name: 'dns-worker',
    layer: 'dns',
    reads: ['Service', 'EndpointSlice'],
    derive: (view) => compileRecordSet(view, options),
  });
}
