/** Chains and jumps that are the same for every set of services, as kube-proxy arranges them. */
import { cidrContains, type Family, parseCidr } from '../addresses.ts';
import { cidrsOf, MASQUERADE_MARK, nodePortNetworks, podCidrsOf, type RenderContext } from '../render-context.ts';
import { comment, type RestoreText } from './restore-text.ts';

/** Chain for traffic that is not from pods, needed only with several cluster CIDRs: one rule can exclude one of them. */
const MARK_REMOTE_CHAIN = 'KUBE-MARK-REMOTE';

const NEW = '-m conntrack --ctstate NEW';
const MARK = `0x${MASQUERADE_MARK.toString(16)}`;
const JUMPS: readonly (readonly ['filter' | 'nat', hook: string, chain: string, text: string, match: string])[] = [
  ['filter', 'INPUT', 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', NEW],
  ['filter', 'FORWARD', 'KUBE-EXTERNAL-SERVICES', 'kubernetes externally-visible service portals', NEW],
  ['filter', 'INPUT', 'KUBE-NODEPORTS', 'kubernetes health check service ports', ''],
  ['filter', 'FORWARD', 'KUBE-SERVICES', 'kubernetes service portals', NEW],
  ['filter', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals', NEW],
  ['filter', 'FORWARD', 'KUBE-FORWARD', 'kubernetes forwarding rules', ''],
  ['filter', 'INPUT', 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', NEW],
  ['filter', 'OUTPUT', 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', NEW],
  ['filter', 'FORWARD', 'KUBE-PROXY-FIREWALL', 'kubernetes load balancer firewall', NEW],
  ['nat', 'OUTPUT', 'KUBE-SERVICES', 'kubernetes service portals', ''],
  ['nat', 'PREROUTING', 'KUBE-SERVICES', 'kubernetes service portals', ''],
  ['nat', 'POSTROUTING', 'KUBE-POSTROUTING', 'kubernetes postrouting rules', ''],
];

/** The kubelet's, which has the same rule in it: whoever removes the one for leaving must leave the other. */
export const LOCALNET_CHAIN = 'KUBE-FIREWALL';

export function addBaseChains(text: RestoreText, family: Family, context: RenderContext): void {
  for (const [table, hook, chain, why, match] of JUMPS) {
    text.addChain(table, chain);
    text.addJump(table, hook, [match, comment(why), `-j ${chain}`].filter((part) => part !== '').join(' '));
  }
  addForwarding(text);
  if (hasLocalNodePorts(family, context)) addLocalnetProtection(text);
  text.addChain('nat', 'KUBE-NODEPORTS');
  text.addRule('nat', 'KUBE-MARK-MASQ', `-j MARK --or-mark ${MARK}`);
  text.addRule('nat', 'KUBE-POSTROUTING', `-m mark ! --mark ${MARK}/${MARK} -j RETURN`);
  // Cleared, so that a packet that passes here again (through a tunnel, say) is not masqueraded twice.
  text.addRule('nat', 'KUBE-POSTROUTING', `-j MARK --xor-mark ${MARK}`);
  const why = comment('kubernetes service traffic requiring SNAT');
  text.addRule('nat', 'KUBE-POSTROUTING', why, '-j MASQUERADE --random-fully');
  addMarkRemote(text, podCidrsOf(family, context));
}

/** Node ports come after all addresses: a node port must not take traffic to a service address that the node holds. */
export function addNodePortDispatch(text: RestoreText, family: Family, context: RenderContext): void {
  const why = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
  // The kernel routes 127.0.0.0/8 to other hosts when route_localnet is set; for ::1 there is no such way.
  const notLoopback = family === 'IPv6' ? '! -d ::1/128' : '';
  const networks = nodePortNetworks(family, context);
  const matches = networks === undefined ? [notLoopback] : cidrsOf(family, networks).map((cidr) => `-d ${cidr}`);
  for (const match of matches) {
    text.addRule('nat', 'KUBE-SERVICES', why, match, '-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS');
  }
}

const LOOPBACK = parseCidr('127.0.0.0/8');

/** As in kube-proxy, node ports answer on 127.0.0.1 too, unless their addresses are told otherwise. */
export function hasLocalNodePorts(family: Family, context: RenderContext): boolean {
  const networks = nodePortNetworks(family, context);
  if (family === 'IPv6' || LOOPBACK === undefined) return false;
  return networks?.some((cidr) => cidrContains(LOOPBACK, cidr) || cidrContains(cidr, LOOPBACK)) ?? true;
}

/**
 * Node ports on 127.0.0.1 need the sysctl route_localnet, which would let neighbours reach what listens on loopback only
 * (CVE-2020-8558).
 */
function addLocalnetProtection(text: RestoreText): void {
  for (const hook of ['INPUT', 'OUTPUT']) text.addJump('filter', hook, `-j ${LOCALNET_CHAIN}`);
  const why = comment('block incoming localnet connections');
  const isNew = '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT';
  text.addRule('filter', LOCALNET_CHAIN, why, '! -s 127.0.0.0/8 -d 127.0.0.0/8', isNew, '-j DROP');
}

/** Matches of traffic from pods, and of traffic that is not from pods; both empty where nothing is known of pods. */
export interface PodMatches {
  readonly pods: readonly string[];
  readonly others: string | undefined;
}

export function podMatches(family: Family, context: RenderContext): PodMatches {
  if (context.pods.by === 'interface') {
    const name = `${context.pods.name}${context.pods.isPrefix ? '+' : ''}`;
    return { pods: [`-i ${name}`], others: `! -i ${name} -j KUBE-MARK-MASQ` };
  }
  const cidrs = podCidrsOf(family, context);
  const [only, ...more] = cidrs;
  const pods = cidrs.map((cidr) => `-s ${cidr}`);
  if (only === undefined) return { pods, others: undefined };
  return { pods, others: more.length === 0 ? `! -s ${only} -j KUBE-MARK-MASQ` : `-j ${MARK_REMOTE_CHAIN}` };
}

function addForwarding(text: RestoreText): void {
  // A packet that conntrack does not know would be sent on with an endpoint's address, and reset the client's connection.
  text.addRule('filter', 'KUBE-FORWARD', '-m conntrack --ctstate INVALID -j DROP');
  const rules = comment('kubernetes forwarding rules');
  text.addRule('filter', 'KUBE-FORWARD', rules, `-m mark --mark ${MARK}/${MARK} -j ACCEPT`);
  const conntrack = comment('kubernetes forwarding conntrack rule');
  text.addRule('filter', 'KUBE-FORWARD', conntrack, '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT');
}

function addMarkRemote(text: RestoreText, podCIDRs: readonly string[]): void {
  if (podCIDRs.length < 2) return;
  for (const cidr of podCIDRs) text.addRule('nat', MARK_REMOTE_CHAIN, `-s ${cidr} -j RETURN`);
  text.addRule('nat', MARK_REMOTE_CHAIN, '-j KUBE-MARK-MASQ');
}
