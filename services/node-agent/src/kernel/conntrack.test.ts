import type { RemovedEndpoint } from '@signalbox/rules';
import { expect, test } from 'vitest';
import { deletions } from './conntrack.ts';

const REMOVED: RemovedEndpoint = {
  protocol: 'udp',
  family: 'IPv4',
  serviceAddresses: ['10.96.0.10', '203.0.113.1'],
  servicePort: 53,
  nodePort: 30_053,
  address: '10.244.1.1',
  port: 5353,
};

test('flows to each address of the service and to its node port are deleted, those to other endpoints are not', () => {
  expect(deletions([REMOVED, REMOVED]).map(({ args }) => args.join(' '))).toEqual([
    '-D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.244.1.1 --reply-port-src 5353',
    '-D -f ipv4 -p udp --orig-dst 203.0.113.1 --orig-port-dst 53 --reply-src 10.244.1.1 --reply-port-src 5353',
    '-D -f ipv4 -p udp --orig-port-dst 30053 --reply-src 10.244.1.1 --reply-port-src 5353',
  ]);
});

test('connections end by themselves', () => {
  expect(deletions([{ ...REMOVED, protocol: 'tcp' }])).toEqual([]);
});
