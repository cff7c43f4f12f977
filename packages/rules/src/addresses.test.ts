import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cidr, cidrContains, disjointCidrs, isCanonicalAddress, parseAddress, parseCidr } from './addresses.ts';

describe('parseAddress', () => {
  test.for<{ name: string; text: string; expected: string | undefined }>([
    { name: 'keeps a dotted quad', text: '10.96.0.1', expected: '10.96.0.1' },
    { name: 'reads leading zeros as decimal, as Kubernetes does', text: '010.096.000.001', expected: '10.96.0.1' },
    { name: 'refuses an octet over 255', text: '10.96.0.256', expected: undefined },
    { name: 'refuses three octets', text: '10.96.1', expected: undefined },
    { name: 'refuses one number', text: '167772161', expected: undefined },
    { name: 'refuses hexadecimal octets', text: '0x0a.0.0.1', expected: undefined },
    { name: 'shortens IPv6 as RFC 5952 does', text: 'FD00:0:0:0:0:0:0:0001', expected: 'fd00::1' },
    { name: 'reads an IPv4-mapped address as IPv4', text: '::ffff:10.0.0.1', expected: '10.0.0.1' },
    { name: 'refuses a zone', text: 'fe80::1%eth0', expected: undefined },
    { name: 'refuses a CIDR', text: '10.0.0.0/8', expected: undefined },
    { name: 'refuses surrounding space', text: ' 10.0.0.1', expected: undefined },
    { name: 'refuses what follows a line break', text: '10.0.0.1\nadd table ip x', expected: undefined },
    { name: 'refuses nothing at all', text: '', expected: undefined },
  ])('$name', ({ text, expected }) => {
    expect(parseAddress(text)?.text).toBe(expected);
  });

  test('its texts, and only those, are canonical', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        const address = parseAddress(text);
        const family = text.includes(':') ? 'IPv6' : 'IPv4';
        if (address !== undefined) expect(isCanonicalAddress(address.text, address.family)).toBe(true);
        expect(isCanonicalAddress(text, family)).toBe(address?.text === text);
      }),
    );
  });
});

describe('parseCidr', () => {
  test.for<{ name: string; text: string; expected: string | undefined }>([
    { name: 'clears host bits', text: '10.244.7.9/14', expected: '10.244.0.0/14' },
    { name: 'clears host bits of IPv6', text: 'fd00:244::ff/33', expected: 'fd00:244::/33' },
    { name: 'forgives surrounding space, as kube-proxy does', text: ' 192.0.2.0/24 ', expected: '192.0.2.0/24' },
    { name: 'takes everything', text: '::/0', expected: '::/0' },
    { name: 'refuses a prefix that is too long', text: '10.0.0.0/33', expected: undefined },
    { name: 'refuses an address alone', text: '10.0.0.0', expected: undefined },
    { name: 'refuses a second prefix', text: '10.0.0.0/8/8', expected: undefined },
    { name: 'refuses a sign', text: '10.0.0.0/+8', expected: undefined },
  ])('$name', ({ text, expected }) => {
    expect(parseCidr(text)?.text).toBe(expected);
  });
});

test('disjoint CIDRs cover the same addresses and never overlap', () => {
  const anyCidr = fc
    .tuple(fc.nat(255), fc.nat(3), fc.constantFrom(0, 7, 8, 9, 15, 16, 24, 32))
    .map(([first, second, length]) => parseCidr(`${first}.${second}.0.0/${length}`) as Cidr);
  fc.assert(
    fc.property(fc.array(anyCidr, { maxLength: 12 }), (cidrs) => {
      const disjoint = disjointCidrs(cidrs);
      for (const cidr of cidrs) expect(disjoint.some((outer) => cidrContains(outer, cidr))).toBe(true);
      for (const a of disjoint) {
        for (const b of disjoint) expect(a !== b && cidrContains(a, b)).toBe(false);
      }
    }),
  );
});
