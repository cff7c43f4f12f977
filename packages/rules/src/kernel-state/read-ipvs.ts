/** IPVS: `ipvsadm -Sn`, `ipset save` and `iptables-save` together → what the kernel does. */
import { compareText } from '../addresses.ts';
import {
  FROM_NODE,
  type Frontend,
  frontendKey,
  type KernelState,
  type Route,
  type Source,
  sourcesOf,
} from './kernel-state.ts';
import { type IptablesTables, iptablesStructure, parseIptables } from './read-iptables.ts';
import type { ReadOptions } from './read-nftables.ts';

export interface IpvsListing {
  /** `ipvsadm --save --numeric` */
  readonly ipvsadm: string;
  /** `ipset save` */
  readonly ipset: string;
  /** `iptables-save`, or `ip6tables-save` */
  readonly iptables: string;
}

interface VirtualServer {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly affinitySeconds: number | undefined;
  /** Real server → weight. */
  readonly endpoints: Map<string, number>;
}

const PROTOCOL_FLAGS: Readonly<Record<string, string>> = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' };

export function readIpvs({ ipvsadm, ipset, iptables }: IpvsListing, options: ReadOptions): KernelState {
  const { servers, unreadable } = parseServers(ipvsadm, options.family === 'IPv6');
  const sets = parseSets(ipset, options.family === 'IPv6');
  const tables = parseIptables(iptables);
  const spared = sparedSources(tables);
  const frontends = new Map<string, Frontend>();
  for (const [key, server] of servers) frontends.set(key, frontendOf(server, { sets, spared }, options));
  return {
    family: options.family,
    frontends,
    closedAddresses: undefined,
    hairpins: undefined,
    structure: iptablesStructure(tables),
    strays: [],
    unreadable: unreadable + tables.unreadable,
  };
}

function parseServers(text: string, isIPv6: boolean): { servers: Map<string, VirtualServer>; unreadable: number } {
  const servers = new Map<string, VirtualServer>();
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  // Virtual servers by firewall mark are nobody's service.
  const known = lines.filter(([command, flag]) => command !== '' && flag !== '-f');
  const unread = known.filter((words) => !addServer(servers, words, isIPv6));
  return { servers, unreadable: unread.length };
}

/** `-A` and a virtual server, or `-a` and a real one. False for a line of another form; other families are left out. */
function addServer(servers: Map<string, VirtualServer>, words: readonly string[], isIPv6: boolean): boolean {
  const [command, flag = '', socket = '', ...rest] = words;
  const protocol = PROTOCOL_FLAGS[flag];
  const place = parseSocket(socket);
  if (protocol === undefined || place === undefined) return false;
  if (place.address.includes(':') !== isIPv6) return true;
  const key = frontendKey(protocol, place.address, place.port);
  if (command === '-A') {
    const affinitySeconds = Number(wordAfter(rest, '-p')) || undefined;
    servers.set(key, { protocol, ...place, affinitySeconds, endpoints: new Map() });
  } else {
    servers.get(key)?.endpoints.set(wordAfter(rest, '-r'), Number(wordAfter(rest, '-w') || 1));
  }
  return true;
}

function parseSocket(text: string): { address: string; port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d+)$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  return address === undefined ? undefined : { address, port: Number(port) };
}

function wordAfter(words: readonly string[], flag: string): string {
  const index = words.indexOf(flag);
  return index < 0 ? '' : (words[index + 1] ?? '');
}

/** Members by the set's name without `KUBE-` or `KUBE-6-`. */
type Sets = ReadonlyMap<string, ReadonlySet<string>>;

function parseSets(text: string, isIPv6: boolean): Sets {
  const sets = new Map<string, Set<string>>();
  const prefix = isIPv6 ? 'KUBE-6-' : 'KUBE-';
  for (const line of text.split('\n')) {
    const [command, name = '', member = ''] = line.split(' ');
    if (command !== 'add' || !name.startsWith(prefix)) continue;
    const short = name.slice(prefix.length);
    sets.set(short, (sets.get(short) ?? new Set()).add(member));
  }
  return sets;
}

interface Rules {
  readonly sets: Sets;
  readonly spared: SparedSources;
}

/** Sources whose traffic to cluster IPs is not masqueraded; `all` without a rule that masquerades. */
type SparedSources = 'all' | ReadonlySet<Source>;

function sparedSources({ nat }: IptablesTables): SparedSources {
  const rules = nat.get('KUBE-SERVICES') ?? [];
  const index = rules.findIndex(
    ({ target, text }) => target === 'KUBE-MARK-MASQ' && text.includes('CLUSTER-IP dst,dst'),
  );
  if (index < 0) return 'all';
  const returned = rules.slice(0, index).filter(({ target }) => target === 'RETURN');
  const conditions = returned.flatMap((rule) => rule.conditions);
  return new Set(conditions.flatMap((condition) => (condition.on === 'source' ? condition.sources : [])));
}

function frontendOf(server: VirtualServer, { sets, spared }: Rules, { podSources }: ReadOptions): Frontend {
  const member = `${server.address},${server.protocol}:${server.port}`;
  const isIn = (set: string): boolean => sets.get(set)?.has(member) ?? false;
  const routes = new Map<Source, Route>();
  if (server.endpoints.size > 0) {
    for (const source of sourcesOf(podSources)) {
      const isMasqueraded = masqueradesFrom(source, isIn, spared);
      routes.set(source, routeOf(server, sets, isMasqueraded));
    }
  }
  return {
    service: '',
    routes,
    verdict: server.endpoints.size > 0 ? undefined : 'reject',
    sourceRanges: isIn('LOAD-BALANCER-FW') ? rangesOf(sets.get('LOAD-BALANCER-SOURCE-CID'), member) : undefined,
  };
}

/** The order of the rules in KUBE-SERVICES. */
function masqueradesFrom(source: Source, isIn: (set: string) => boolean, spared: SparedSources): boolean {
  const isLocal = isIn('LOAD-BALANCER-LOCAL') || isIn('EXTERNAL-IP-LOCAL') || isIn('NODE-PORT-LOCAL');
  if (isLocal && source !== FROM_NODE) return false;
  if (isIn('LOAD-BALANCER') || isIn('EXTERNAL-IP') || isIn('NODE-PORT')) return true;
  return isIn('CLUSTER-IP') && spared !== 'all' && !spared.has(source);
}

function routeOf({ endpoints, affinitySeconds, protocol }: VirtualServer, sets: Sets, isMasqueraded: boolean): Route {
  const total = [...endpoints.values()].reduce((sum, weight) => sum + weight, 0);
  const loopback = sets.get('LOOP-BACK');
  // One of weight 0 only keeps its open connections.
  const taking = [...endpoints].filter(([, weight]) => weight > 0);
  const entries = taking.map(([target, weight]) => {
    const place = parseSocket(target);
    const isHairpinMasqueraded =
      place !== undefined && loopback?.has(`${place.address},${protocol}:${place.port},${place.address}`) === true;
    return [target, { share: weight / total, isHairpinMasqueraded }] as const;
  });
  return { endpoints: new Map(entries), masquerade: isMasqueraded ? 'always' : 'never', affinitySeconds };
}

/** ipset has no prefix of length 0, so everything is listed as two halves. */
const HALVES: readonly (readonly [whole: string, halves: readonly string[]])[] = [
  ['0.0.0.0/0', ['0.0.0.0/1', '128.0.0.0/1']],
  ['::/0', ['::/1', '8000::/1']],
];

function rangesOf(members: ReadonlySet<string> | undefined, key: string): string[] {
  const start = `${key},`;
  const ranges = [...(members ?? [])]
    .filter((member) => member.startsWith(start))
    .map((member) => member.slice(start.length));
  const whole = HALVES.find(([, halves]) => halves.every((half) => ranges.includes(half)))?.[0];
  const texts = ranges.map((range) => (range.includes('/') ? range : `${range}/${range.includes(':') ? 128 : 32}`));
  return whole === undefined ? texts.sort(compareText) : [whole];
}
