/** Who may come to a load balancer's addresses. */
import { BlockList, isIPv6 } from 'node:net';
import type { ServiceRules } from '@signalbox/rules';

/** Rules are made anew when anything of them changes. */
const lists = new WeakMap<ServiceRules, BlockList>();

/** Everybody where no ranges are given. */
export function isAllowedSource(rules: ServiceRules, client: string): boolean {
  if (rules.sourceRanges.length === 0) return true;
  const list = lists.get(rules) ?? listOf(rules.sourceRanges);
  lists.set(rules, list);
  return list.check(client, familyOf(client));
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [base = '', length] = range.split('/');
    list.addSubnet(base, Number(length), familyOf(base));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
