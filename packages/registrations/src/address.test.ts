import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { canonicalAddress } from './address.ts';

test.for([
  { text: '10.0.0.1', address: '10.0.0.1' },
  { text: '255.255.255.255', address: '255.255.255.255' },
  { text: '0.0.0.0', address: '0.0.0.0' },
  { text: '2001:DB8:0:0::1', address: '2001:db8::1' },
  { text: '010.0.0.1', address: undefined },
  { text: '10.0.0.256', address: undefined },
  { text: '10.0.1', address: undefined },
  { text: '10.0.0.1\n', address: undefined },
  { text: '10.0.0.1 ', address: undefined },
  { text: '0x0a.0.0.1', address: undefined },
  { text: 'fe80::1%eth0', address: undefined },
  { text: '', address: undefined },
])('$text is $address', ({ text, address }) => {
  expect(canonicalAddress(text)).toBe(address);
});

test('IPv4 addresses are those that ipaddr.js takes', () => {
  const part = fc.oneof(fc.nat({ max: 300 }).map(String), fc.constantFrom('00', '01', '', '1e1', ' 1', '-1'));
  const likeAddress = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'));
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), likeAddress), (text) => {
      expect(canonicalAddress(text) === text).toBe(ipaddr.IPv4.isValidFourPartDecimal(text));
    }),
  );
});
