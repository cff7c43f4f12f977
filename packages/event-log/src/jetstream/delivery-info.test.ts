import { expect, test } from 'vitest';
import { parseDeliveryInfo } from './delivery-info.ts';

const info = { deliveryCount: 2, streamSequence: 16, consumerSequence: 3, storedAtMs: 1795262062412, pending: 7 };

test.for([
  { name: 'short', reply: '$JS.ACK.log-objects.w.2.16.3.1795262062412523685.7', expected: info },
  { name: 'with domain', reply: '$JS.ACK.hub.ACC.log-objects.w.2.16.3.1795262062412523685.7.x7d', expected: info },
  { name: 'with domain, no token', reply: '$JS.ACK._.ACC.log-objects.w.2.16.3.1795262062412523685.7', expected: info },
  { name: 'none', reply: '', expected: undefined },
  { name: 'an inbox', reply: '_INBOX.abc.1', expected: undefined },
  { name: 'cut', reply: '$JS.ACK.log-objects.w.2.16', expected: undefined },
])('reads what a reply subject tells: $name', ({ reply, expected }) => {
  expect(parseDeliveryInfo(reply)).toEqual(expected);
});
