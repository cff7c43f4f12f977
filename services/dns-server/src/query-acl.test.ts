import { expect, test } from 'vitest';
import { QueryAcl } from './query-acl.ts';

test.for<{ name: string; entries: string[]; zone: string; peer: string; isAllowed: boolean }>([
  { name: 'no list: everybody', entries: [], zone: 'a.', peer: '192.0.2.1', isAllowed: true },
  { name: 'a list for all: those in it', entries: ['10.0.0.0/8'], zone: 'a.', peer: '10.1.1.1', isAllowed: true },
  { name: 'a list for all: no others', entries: ['10.0.0.0/8'], zone: 'a.', peer: '192.0.2.1', isAllowed: false },
  { name: 'a list of the zone', entries: ['A=::1', '10.0.0.0/8'], zone: 'a.', peer: '::1', isAllowed: true },
  { name: 'which counts alone', entries: ['A=::1', '10.0.0.0/8'], zone: 'a.', peer: '10.0.0.1', isAllowed: false },
  { name: 'a zone without a list: everybody', entries: ['a=::1'], zone: 'b.', peer: '10.0.0.1', isAllowed: true },
])('$name', ({ entries, zone, peer, isAllowed }) => {
  const acl = new QueryAcl(entries);
  expect([acl.allows(zone, peer), acl.allows(zone, peer)]).toEqual([isAllowed, isAllowed]);
});

test.for(['a=b=10.0.0.1', '=10.0.0.1', 'everybody', 'a=10.0.0.0/33'])('%s is refused', (entry) => {
  expect(() => new QueryAcl([entry])).toThrow('questions');
});
