/** The part of the table that is the same for every set of services: hooks, dispatch, filters, masquerading. */
import type { Family } from '../addresses.ts';
import { cidrsOf, MASQUERADE_MARK, nodePortNetworks, podCidrsOf, type RenderContext } from '../render-context.ts';
import type { TransportProtocol } from '../service-rules.ts';
import type { Container, TableBuilder } from './table-builder.ts';

export const PROTOCOLS: readonly TransportProtocol[] = ['tcp', 'udp', 'sctp'];
/** Of both families. */
export const TABLE = 'signalbox';
export const REJECT_CHAIN = 'reject-traffic';
export const MARK_CHAIN = 'mark-for-masquerade';

/** Pairs of a client and its endpoint, over all services with session affinity. */
const AFFINITY_SIZE = 1_048_576;

/** What differs in the spelling of the two families. */
export interface FamilySyntax {
  readonly family: Family;
  /** Table family and header keyword: `ip` or `ip6`. */
  readonly ip: 'ip' | 'ip6';
  readonly loopback: string;
  readonly everything: string;
}

export const FAMILY_SYNTAX: Readonly<Record<Family, FamilySyntax>> = {
  IPv4: { family: 'IPv4', ip: 'ip', loopback: '127.0.0.0/8', everything: '0.0.0.0/0' },
  IPv6: { family: 'IPv6', ip: 'ip6', loopback: '::1', everything: '::/0' },
};

/** In the order a packet meets them. Numbers: `dstnat` is -100, `filter` 0, `srcnat` 100. */
const HOOKS = {
  // Source ranges are about the address that the client asked for, so they are checked before it is rewritten.
  'filter-prerouting': 'type filter hook prerouting priority -110',
  'filter-output-before-nat': 'type filter hook output priority -110',
  'nat-prerouting': 'type nat hook prerouting priority -100',
  'nat-output': 'type nat hook output priority -100',
  // What still has a service's address here was not forwarded to an endpoint.
  'filter-input': 'type filter hook input priority 0',
  'filter-forward': 'type filter hook forward priority 0',
  'filter-output': 'type filter hook output priority 0',
  'nat-postrouting': 'type nat hook postrouting priority 100',
} as const;

export function addBaseTable(table: TableBuilder, syntax: FamilySyntax, context: RenderContext): void {
  for (const container of containersOf(syntax)) table.addContainer(container);
  const { ip, loopback } = syntax;
  const destination = `${ip} daddr . meta l4proto . th dport`;
  const nodePortDestination = `fib daddr type local ${ip} daddr != ${loopback} ${ip} daddr @nodeport-ips meta l4proto . th dport`;
  const mark = hex(MASQUERADE_MARK);
  const unmark = hex(0xffffffff - MASQUERADE_MARK);
  const rules: Record<keyof typeof HOOKS, readonly string[]> = {
    'filter-prerouting': ['ct state new jump source-ranges'],
    'filter-output-before-nat': ['ct state new jump source-ranges'],
    'nat-prerouting': ['jump services'],
    'nat-output': ['jump services'],
    'filter-input': ['ct state new jump no-endpoints', `ct state new ${nodePortDestination} vmap @nodeport-verdicts`],
    'filter-forward': ['ct state new jump no-endpoints', 'ct state new jump cluster-ips-check'],
    'filter-output': ['ct state new jump no-endpoints', 'ct state new jump cluster-ips-check'],
    'nat-postrouting': [
      `meta mark & ${mark} == ${mark} meta mark set meta mark & ${unmark} masquerade fully-random`,
      // An endpoint that reached itself through a service would answer itself directly, past the address translation.
      `ct status dnat ${ip} saddr . ${ip} daddr @hairpin masquerade fully-random`,
    ],
  };
  for (const [name, hook] of Object.entries(HOOKS)) {
    table.addBaseChain(name, rules[name as keyof typeof HOOKS], ` { ${hook} ; policy accept ; }`);
  }
  table.addBaseChain('services', [
    `${destination} vmap @service-ips`,
    `${nodePortDestination} vmap @service-nodeports`,
  ]);
  table.addBaseChain('source-ranges', [
    `${destination} @restricted-ips ${destination} . ${ip} saddr != @allowed-sources drop`,
  ]);
  table.addBaseChain('no-endpoints', [`${destination} vmap @service-verdicts`]);
  const hasServiceCIDRs = cidrsOf(syntax.family, context.serviceCIDRs).length > 0;
  table.addBaseChain('cluster-ips-check', [
    `${ip} daddr @cluster-ips reject`,
    ...(hasServiceCIDRs ? [`${ip} daddr @service-cidrs drop`] : []),
  ]);
  table.addBaseChain(REJECT_CHAIN, ['reject']);
  table.addBaseChain(MARK_CHAIN, [`meta mark set meta mark | ${mark}`]);
  addNodeElements(table, syntax.family, context);
}

function containersOf({ ip }: FamilySyntax): Container[] {
  const destination = `${ip} daddr . meta l4proto . th dport`;
  return [
    // First, because it alone is kept when rules are loaded again, and lists stay the same.
    {
      kind: 'set',
      name: 'affinity',
      definition: `typeof ${ip} saddr . numgen random mod 4294967295 ; flags dynamic,timeout ; size ${AFFINITY_SIZE}`,
      isKernelOwned: true,
    },
    { kind: 'set', name: 'cluster-cidrs', definition: `typeof ${ip} saddr ; flags interval` },
    { kind: 'set', name: 'service-cidrs', definition: `typeof ${ip} daddr ; flags interval` },
    { kind: 'set', name: 'nodeport-ips', definition: `typeof ${ip} daddr ; flags interval` },
    { kind: 'set', name: 'cluster-ips', definition: `typeof ${ip} daddr` },
    { kind: 'map', name: 'service-ips', definition: `typeof ${destination} : verdict` },
    { kind: 'map', name: 'service-nodeports', definition: 'typeof meta l4proto . th dport : verdict' },
    { kind: 'map', name: 'service-verdicts', definition: `typeof ${destination} : verdict` },
    { kind: 'map', name: 'nodeport-verdicts', definition: 'typeof meta l4proto . th dport : verdict' },
    { kind: 'set', name: 'restricted-ips', definition: `typeof ${destination}` },
    { kind: 'set', name: 'allowed-sources', definition: `typeof ${destination} . ${ip} saddr ; flags interval` },
    { kind: 'set', name: 'hairpin', definition: `typeof ${ip} saddr . ${ip} daddr` },
    ...PROTOCOLS.flatMap((protocol) => endpointMaps(ip, protocol)),
  ];
}

/**
 * Endpoints by number, for a destination address and port, and for a node port. One map per transport protocol, because
 * the number has no named type: only `typeof` can say it, and `typeof` wants one protocol's header.
 */
function endpointMaps(ip: string, protocol: TransportProtocol): Container[] {
  const number = 'numgen random mod 65536';
  const target = `${ip} daddr . ${protocol} dport`;
  return [
    { kind: 'map', name: `endpoints-${protocol}`, definition: `typeof ${target} . ${number} : ${target}` },
    {
      kind: 'map',
      name: `nodeport-endpoints-${protocol}`,
      definition: `typeof ${protocol} dport . ${number} : ${target}`,
    },
  ];
}

function addNodeElements(table: TableBuilder, family: Family, context: RenderContext): void {
  for (const cidr of podCidrsOf(family, context)) table.addElement('cluster-cidrs', cidr);
  for (const cidr of cidrsOf(family, context.serviceCIDRs)) table.addElement('service-cidrs', cidr);
  for (const text of nodePortAddresses(family, context)) table.addElement('nodeport-ips', text);
}

/** kube-proxy's default in nftables mode is the node's primary address. */
function nodePortAddresses(family: Family, context: RenderContext): string[] {
  const networks = nodePortNetworks(family, context, ['primary']);
  return networks === undefined ? [FAMILY_SYNTAX[family].everything] : cidrsOf(family, networks);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
