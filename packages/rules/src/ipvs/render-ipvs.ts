/**
 * Service rules of one family → a POSIX shell script, because IPVS takes four programs: `ip` (service addresses on the dummy
 * interface kube-ipvs0, so that packets to them reach the virtual servers), `ipset`, `iptables` (masquerading, source
 * ranges, closed ports) and `ipvsadm`. Each is fed a here-document of canonical addresses, numbers and fixed words; labels
 * appear nowhere, and a quoted delimiter keeps the shell from reading any of it.
 *
 * kube-proxy has deprecated its IPVS mode; this backend is for clusters that still run it.
 */
import type { Family } from '../addresses.ts';
import { podMatches } from '../iptables/base-chains.ts';
import type { FamilyParts } from '../kernel-parts.ts';
import { MASQUERADE_MARK } from '../render-context.ts';
import { ipSetLines, type SetName, setText } from './ip-sets.ts';
import { ADDRESSES, addressText, DEVICE, type IpvsContext } from './ipvs-parts.ts';
import { addressChanges, SEPARATOR, serverChanges } from './live-changes.ts';
import { REAL_SERVERS, VIRTUAL_SERVERS } from './virtual-servers.ts';

const DELIMITER = 'SIGNALBOX_END';

export function renderIpvs({ family, parts }: FamilyParts, context: IpvsContext): string {
  const contents = new Map<string, Set<string>>();
  const servers: string[] = [];
  for (const { entries } of parts) {
    for (const { container, key, value } of entries) {
      if (container === VIRTUAL_SERVERS) servers.push(`-A ${key} ${value}`);
      else if (container === REAL_SERVERS) servers.push(`-a ${key} ${value}`);
      else contents.set(container, (contents.get(container) ?? new Set()).add(key));
    }
  }
  const addresses = [...(contents.get(ADDRESSES) ?? [])].map((address) => `addr add ${addressText(family, address)}`);
  const iptables = family === 'IPv4' ? 'iptables' : 'ip6tables';
  return [
    '#!/bin/sh',
    `# Signalbox, ${family}, IPVS: run as root. Makes the ${family} virtual servers of this network namespace those below.`,
    'set -eu',
    'modprobe ip_vs 2>/dev/null || :',
    ...SETTINGS[family].map((setting) => `sysctl -qw ${setting}`),
    `ip link show ${DEVICE} >/dev/null 2>&1 || ip link add ${DEVICE} type dummy`,
    `ip link set ${DEVICE} up`,
    ...hereDocument('ipset -exist restore', ipSetLines(family, contents)),
    ...hereDocument(`${iptables}-restore --noflush`, filterLines(family, context)),
    ...JUMPS.map((jump) => jumpLine(iptables, jump)),
    ...changeDocument('ipvsadm --list --numeric', serverChanges(family), 'ipvsadm --restore', servers),
    ...changeDocument(LIST_ADDRESSES[family], addressChanges(DEVICE), 'ip -batch -', addresses),
    '',
  ].join('\n');
}

/** conntrack, or masquerading would not see the connections; quiet about addresses that live on the dummy interface. */
const SETTINGS: Readonly<Record<Family, readonly string[]>> = {
  IPv4: [
    'net.ipv4.ip_forward=1',
    'net.ipv4.vs.conntrack=1',
    'net.ipv4.vs.expire_nodest_conn=1',
    'net.ipv4.vs.expire_quiescent_template=1',
    'net.ipv4.conf.all.arp_ignore=1',
    'net.ipv4.conf.all.arp_announce=2',
  ],
  IPv6: [
    'net.ipv6.conf.all.forwarding=1',
    'net.ipv4.vs.conntrack=1',
    'net.ipv4.vs.expire_nodest_conn=1',
    'net.ipv4.vs.expire_quiescent_template=1',
  ],
};

/** Addresses of the device with their prefix lengths; not those that the kernel gives to every link. */
const LIST_ADDRESSES: Readonly<Record<Family, string>> = {
  IPv4: `ip -o -4 addr show dev ${DEVICE} | awk '{ print $4 }'`,
  IPv6: `ip -o -6 addr show dev ${DEVICE} scope global | awk '{ print $4 }'`,
};

const JUMPS = [
  ['filter', 'INPUT', 'KUBE-IPVS-FILTER'],
  ['filter', 'INPUT', 'KUBE-PROXY-FIREWALL'],
  ['filter', 'FORWARD', 'KUBE-PROXY-FIREWALL'],
  ['nat', 'PREROUTING', 'KUBE-SERVICES'],
  ['nat', 'OUTPUT', 'KUBE-SERVICES'],
  ['nat', 'POSTROUTING', 'KUBE-POSTROUTING'],
] as const;

/** Once, however often the script runs: `iptables-restore` has no way to say so. */
function jumpLine(iptables: string, [table, chain, target]: (typeof JUMPS)[number]): string {
  const rule = (command: string): string => `${iptables} -w -t ${table} ${command} ${chain} -j ${target}`;
  return `${rule('-C')} 2>/dev/null || ${rule('-I')}`;
}

/** Wanted lines as a here-document behind the present ones, through awk to the program that changes the difference. */
export function changeDocument(list: string, program: string, apply: string, wanted: readonly string[]): string[] {
  const input = `{ ${list}; echo '${SEPARATOR}'; cat; }`;
  return [`${input} <<'${DELIMITER}' | awk '${program}' | ${apply}`, ...wanted, DELIMITER];
}

/** Nothing for no lines. */
export function hereDocument(command: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${command} <<'${DELIMITER}'`, ...lines, DELIMITER];
}

function filterLines(family: Family, context: IpvsContext): string[] {
  const mark = `0x${MASQUERADE_MARK.toString(16)}`;
  const matches = (set: SetName, fields: string): string => `-m set --match-set ${setText(family, set)} ${fields}`;
  const { pods, others } = podMatches(family, context);
  const masquerades = context.masqueradeAll || others !== undefined;
  const toCluster = matches('CLUSTER-IP', 'dst,dst');
  return [
    '*filter',
    ':KUBE-PROXY-FIREWALL - [0:0]',
    ':KUBE-IPVS-FILTER - [0:0]',
    `-A KUBE-PROXY-FIREWALL ${matches('LOAD-BALANCER-SOURCE-CID', 'dst,dst,src')} -j RETURN`,
    `-A KUBE-PROXY-FIREWALL ${matches('LOAD-BALANCER-FW', 'dst,dst')} -j DROP`,
    // The addresses are the node's own now: only their services' ports may be reached at them.
    ...(['LOAD-BALANCER', 'CLUSTER-IP', 'EXTERNAL-IP', 'EXTERNAL-IP-LOCAL'] as const).map(
      (set) => `-A KUBE-IPVS-FILTER ${matches(set, 'dst,dst')} -j RETURN`,
    ),
    `-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW ${matches('IPVS-IPS', 'dst')} -j REJECT`,
    'COMMIT',
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ...(['LOAD-BALANCER-LOCAL', 'EXTERNAL-IP-LOCAL', 'NODE-PORT-LOCAL'] as const).map(
      (set) => `-A KUBE-SERVICES ${matches(set, 'dst,dst')} -m addrtype ! --src-type LOCAL -j RETURN`,
    ),
    ...(['LOAD-BALANCER', 'EXTERNAL-IP', 'NODE-PORT'] as const).map(
      (set) => `-A KUBE-SERVICES ${matches(set, 'dst,dst')} -j KUBE-MARK-MASQ`,
    ),
    ...(context.masqueradeAll ? [] : pods.map((match) => `-A KUBE-SERVICES ${match} -j RETURN`)),
    ...(masquerades ? [`-A KUBE-SERVICES ${toCluster} -j KUBE-MARK-MASQ`] : []),
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`,
    `-A KUBE-POSTROUTING ${matches('LOOP-BACK', 'dst,dst,src')} -j MASQUERADE`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}`,
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    'COMMIT',
  ];
}
