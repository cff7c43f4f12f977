/**
 * Service rules of one family → a POSIX shell script, because IPVS takes four programs: `ip` (service addresses on the dummy
 * interface kube-ipvs0, so that packets to them reach the virtual servers), `ipset`, `iptables` (masquerading, source
 * ranges, closed ports) and `ipvsadm`. Each is fed a here-document of canonical addresses, numbers and fixed words; labels
 * appear nowhere, and a quoted delimiter keeps the shell from reading any of it.
 *
 * kube-proxy has deprecated its IPVS mode; this backend is for clusters that still run it.
 */
import { cidrContains, disjointCidrs, type Family, hostCidr, parseAddress } from '../addresses.ts';
import { MASQUERADE_MARK, type RenderContext } from '../render-context.ts';
import type { ServiceRules } from '../service-rules.ts';
import { ipSetLines, type SetName, setText } from './ip-sets.ts';
import { type IpvsScheduler, virtualServerLines } from './virtual-servers.ts';

const DEVICE = 'kube-ipvs0';
const DELIMITER = 'SIGNALBOX_END';

export function renderIpvs(
  family: Family,
  services: readonly ServiceRules[],
  context: RenderContext & { readonly scheduler: IpvsScheduler },
): string {
  const nodeAddresses = nodePortAddressesOf(family, context);
  const servers = services.flatMap((rules) => virtualServerLines(rules, nodeAddresses, context.scheduler));
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
    ...hereDocument('ip -batch -', addressLines(family, services)),
    ...hereDocument('ipset -exist restore', ipSetLines(family, services, nodeAddresses)),
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

function hereDocument(command: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${command} <<'${DELIMITER}'`, ...lines, DELIMITER];
}

function addressLines(family: Family, services: readonly ServiceRules[]): string[] {
  const addresses = services.flatMap((rules) => [...rules.clusterIPs, ...rules.externalIPs, ...rules.loadBalancerVIPs]);
  // Without `nodad` an IPv6 address would be unusable until nobody else was found to have it.
  const suffix = family === 'IPv4' ? `/32 dev ${DEVICE}` : `/128 dev ${DEVICE} nodad`;
  return [...new Set(addresses)].map((address) => `addr add ${address}${suffix}`);
}

/** IPVS needs each address by itself; kube-proxy takes all of the node's, or those in the given CIDRs. */
function nodePortAddressesOf(family: Family, { node, nodePortAddresses }: RenderContext): string[] {
  const own = node.addresses.map(parseAddress).filter((address) => address?.family === family);
  const addresses = own.filter((address) => address !== undefined);
  const allowed = addresses.filter(
    (address) => nodePortAddresses?.some((cidr) => cidrContains(cidr, hostCidr(address))) ?? true,
  );
  return [...new Set(allowed.map((address) => address.text))];
}

function filterLines(family: Family, { clusterCIDRs, masqueradeAll }: RenderContext): string[] {
  const mark = `0x${MASQUERADE_MARK.toString(16)}`;
  const matches = (set: SetName, fields: string): string => `-m set --match-set ${setText(family, set)} ${fields}`;
  const pods = disjointCidrs(clusterCIDRs.filter((cidr) => cidr.family === family));
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
    ...(masqueradeAll ? [] : pods.map(({ text }) => `-A KUBE-SERVICES -s ${text} -j RETURN`)),
    ...(masqueradeAll || pods.length > 0 ? [`-A KUBE-SERVICES ${toCluster} -j KUBE-MARK-MASQ`] : []),
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`,
    `-A KUBE-POSTROUTING ${matches('LOOP-BACK', 'dst,dst,src')} -j MASQUERADE`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}`,
    '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
    'COMMIT',
  ];
}
