import { expect, test } from 'vitest';
import { healthCheckAddresses } from './health-check-addresses.ts';

const NODE = ['10.240.0.1', 'fd00:240::1', '192.0.2.1'];
const OWN = ['127.0.0.1', '::1', '10.240.0.1', '10.240.9.1', 'fd00:240::1'];

test.for([
  { name: 'the first address of each family', allowed: ['primary'], expected: ['10.240.0.1', 'fd00:240::1'] },
  { name: 'networks', allowed: ['10.240.8.0/21', '::1/128'], expected: ['::1', '10.240.9.1'] },
  { name: 'all of both families', allowed: ['0.0.0.0/0', '::/0'], expected: ['*'] },
  { name: 'all of IPv4, and one network', allowed: ['0.0.0.0/0', 'fd00::/8'], expected: ['0.0.0.0', 'fd00:240::1'] },
  {
    name: 'an address that is meant twice',
    allowed: ['primary', '10.240.0.1/32'],
    expected: ['10.240.0.1', 'fd00:240::1'],
  },
  {
    name: 'networks that this machine is not in',
    allowed: ['198.51.100.0/24', '2001:db8::/32'],
    expected: [],
  },
  {
    name: 'of a family of which nothing is said, all',
    allowed: ['10.240.8.0/21'],
    expected: ['10.240.9.1', '::'],
  },
])('$name', ({ allowed, expected }) => {
  expect([...healthCheckAddresses({ allowed, nodeAddresses: NODE, ownAddresses: OWN })].sort()).toEqual(
    [...expected].sort(),
  );
});

test('while the node is not known, the primary addresses are all', () => {
  expect(healthCheckAddresses({ allowed: ['primary'], nodeAddresses: [], ownAddresses: OWN })).toEqual(['*']);
});

test('a node with addresses of one family answers on all of the other', () => {
  const own = { allowed: ['primary'], nodeAddresses: ['10.240.0.1'], ownAddresses: OWN };
  expect(healthCheckAddresses(own)).toEqual(['10.240.0.1', '::']);
});
