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
  const addresses = [...(contents.get(ADDRESSES) ?? [])];
  const filter = family === 'IPv4' ? 'iptables-restore' : 'ip6tables-restore';
  return [
    '#!/bin/sh',
    `# Signalbox, ${family}, IPVS: run as root. Replaces all ${family} virtual servers of this network namespace.`,
    'set -eu',
    'modprobe ip_vs 2>/dev/null || :',
    ...SETTINGS[family].map((setting) => `sysctl -qw ${setting}`),
    `ip link show ${DEVICE} >/dev/null 2>&1 || ip link add ${DEVICE} type dummy`,
    `ip link set ${DEVICE} up`,
    `ip ${family === 'IPv4' ? '-4' : '-6'} addr flush dev ${DEVICE}`,
    ...hereDocument(
      'ip -batch -',
      addresses.map((address) => `addr add ${addressText(family, address)}`),
    ),
    ...hereDocument('ipset -exist restore', ipSetLines(family, contents)),
    ...hereDocument(`${filter} --noflush`, filterLines(family, context)),
    `ipvsadm --save --numeric | sed -n '${DELETE_ALL[family]}' | ipvsadm --restore`,
    ...hereDocument('ipvsadm --restore', servers),
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

/** Turns what `ipvsadm --save` says of virtual servers of a family (not by firewall mark) into their deletion. */
const DELETE_ALL: Readonly<Record<Family, string>> = {
  IPv4: String.raw`s/^-A \(-[a-z-]*\) \([0-9][0-9.]*:[0-9]*\) .*/-D \1 \2/p`,
  IPv6: String.raw`s/^-A \(-[a-z-]*\) \(\[[0-9a-f:.]*\]:[0-9]*\) .*/-D \1 \2/p`,
};

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
    '-I INPUT -j KUBE-IPVS-FILTER',
    '-I INPUT -j KUBE-PROXY-FIREWALL',
    '-I FORWARD -j KUBE-PROXY-FIREWALL',
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
    '-I PREROUTING -j KUBE-SERVICES',
    '-I OUTPUT -j KUBE-SERVICES',
    '-I POSTROUTING -j KUBE-POSTROUTING',
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
