import { describe, expect, test } from 'vitest';
import { contextOf, nodePortNetworks } from './render-context.ts';

const BOTH = ['10.240.0.1', 'fd00:240::1'];

/** As kube-proxy's NodePortAddresses has it, for nftables where it says so. */
describe('node ports answer', () => {
  test.for<{
    name: string;
    given?: string[];
    addresses?: string[];
    ipv4: string[] | undefined;
    ipv6: string[] | undefined;
  }>([
    { name: 'on the primary addresses', given: ['primary'], ipv4: ['10.240.0.1/32'], ipv6: ['fd00:240::1/128'] },
    {
      name: 'on all of a family that the node has no address of',
      given: ['primary'],
      addresses: ['10.240.0.1'],
      ipv4: ['10.240.0.1/32'],
      ipv6: undefined,
    },
    {
      name: 'on all of a family of which nothing is given',
      given: ['10.0.0.0/8'],
      ipv4: ['10.0.0.0/8'],
      ipv6: undefined,
    },
    {
      name: 'on all where that is among others',
      given: ['0.0.0.0/0', '10.0.0.0/8', 'fd00::/8'],
      ipv4: undefined,
      ipv6: ['fd00::/8'],
    },
    { name: 'on all when nothing is said', ipv4: undefined, ipv6: undefined },
  ])('$name', ({ given, addresses = BOTH, ipv4, ipv6 }) => {
    const node = { name: 'n1', addresses };
    const context = contextOf({ node, clusterCIDRs: [], ...(given && { nodePortAddresses: given }) });
    const texts = (family: 'IPv4' | 'IPv6') => nodePortNetworks(family, context)?.map(({ text }) => text);
    expect([texts('IPv4'), texts('IPv6')]).toEqual([ipv4, ipv6]);
  });
});
