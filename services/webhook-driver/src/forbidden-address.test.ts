import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forbiddenAddress } from './forbidden-address.ts';

const isRefused = (address: string, allowsPrivate: boolean): boolean =>
  forbiddenAddress(address, { allowsPrivate }) !== undefined;

test.for(['8.8.8.8', '2606:4700::1111', '2a00:1450:4001::8', '::ffff:8.8.8.8', '64:ff9b::808:808'])(
  '%s is sent to',
  (address) => {
    expect([isRefused(address, false), isRefused(address, true)]).toEqual([false, false]);
  },
);

test.for([
  '127.0.0.1',
  '127.255.255.254',
  '10.0.0.1',
  '172.31.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '::1',
  'fd12::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::127.0.0.1',
  '64:ff9b::a00:1',
  '2002:c0a8:101::1',
])('%s only where private ones are allowed', (address) => {
  expect([isRefused(address, false), isRefused(address, true)]).toEqual([true, false]);
});

test.for([
  '0.0.0.0',
  '169.254.169.254',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '168.63.129.16',
  '64:ff9b:1::a9fe:a9fe',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  '3fff::1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::',
  'no address',
  '127.1',
  '0x7f.0.0.1',
])('%s never', (address) => {
  expect([isRefused(address, false), isRefused(address, true)]).toEqual([true, true]);
});

test('an IPv4 address is judged the same in every IPv6 form that holds it', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.boolean(), (address, allowsPrivate) => {
      const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
      const forms = [`::ffff:${address}`, `::ffff:${hex}`, `64:ff9b::${hex}`, `2002:${hex}::1`];
      const wanted = isRefused(address, allowsPrivate);
      expect(forms.map((form) => isRefused(form, allowsPrivate))).toEqual(forms.map(() => wanted));
    }),
  );
});
