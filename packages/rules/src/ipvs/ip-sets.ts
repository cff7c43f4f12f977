/** The sets that the packet filter matches in IPVS mode, under kube-proxy's names. */
import { compareText, type Family } from '../addresses.ts';
import type { ServiceRules } from '../service-rules.ts';

const SET_TYPES = {
  'CLUSTER-IP': 'hash:ip,port',
  'EXTERNAL-IP': 'hash:ip,port',
  'EXTERNAL-IP-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER': 'hash:ip,port',
  'LOAD-BALANCER-LOCAL': 'hash:ip,port',
  'LOAD-BALANCER-FW': 'hash:ip,port',
  'LOAD-BALANCER-SOURCE-CID': 'hash:ip,port,net',
  'NODE-PORT': 'hash:ip,port',
  'NODE-PORT-LOCAL': 'hash:ip,port',
  'LOOP-BACK': 'hash:ip,port,ip',
  'IPVS-IPS': 'hash:ip',
} as const;
export type SetName = keyof typeof SET_TYPES;
export const IP_SETS = Object.keys(SET_TYPES) as SetName[];

/** Room for 100,000 endpoints and more; the kernel grows a set's memory as it fills. */
const ELEMENTS_MAX = 1_048_576;

const SET_NAME_MAX = 31;
const NEXT_SUFFIX = '-NEXT';

/** At most 31 characters, which is the kernel's limit. */
export function setText(family: Family, name: SetName): string {
  return family === 'IPv4' ? `KUBE-${name}` : `KUBE-6-${name}`;
}

/**
 * Lines for `ipset -exist restore`: each set is created where missing, filled under another name, and swapped in, so that no
 * packet meets it half-filled.
 */
export function ipSetLines(family: Family, members: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const inet = family === 'IPv4' ? 'inet' : 'inet6';
  return IP_SETS.flatMap((name) => {
    const set = setText(family, name);
    const sorted = [...(members.get(set) ?? [])].sort(compareText);
    const type = `${SET_TYPES[name]} family ${inet} maxelem ${ELEMENTS_MAX}`;
    const next = `${set.slice(0, SET_NAME_MAX - NEXT_SUFFIX.length)}${NEXT_SUFFIX}`;
    const filling = [`create ${next} ${type}`, `flush ${next}`, ...sorted.map((member) => `add ${next} ${member}`)];
    return [`create ${set} ${type}`, ...filling, `swap ${next} ${set}`, `destroy ${next}`];
  });
}

type Member = readonly [set: SetName, member: string];

/** Several services can have the same member. */
export function ipSetMembers(rules: ServiceRules, nodeAddresses: readonly string[]): Member[] {
  const { protocol, port, nodePort, clusterIPs, externalIPs, loadBalancerVIPs } = rules;
  const isLocal = rules.external.policy === 'Local';
  const key = (address: string): string => `${address},${protocol}:${port}`;
  const members: Member[] = clusterIPs.map((address) => ['CLUSTER-IP', key(address)]);
  for (const address of externalIPs) members.push([isLocal ? 'EXTERNAL-IP-LOCAL' : 'EXTERNAL-IP', key(address)]);
  members.push(...loadBalancerMembers(rules, isLocal));
  for (const address of nodePort === undefined ? [] : nodeAddresses) {
    members.push([isLocal ? 'NODE-PORT-LOCAL' : 'NODE-PORT', `${address},${protocol}:${nodePort}`]);
  }
  for (const endpoint of [...rules.cluster, ...rules.local]) {
    members.push(['LOOP-BACK', `${endpoint.address},${protocol}:${endpoint.port},${endpoint.address}`]);
  }
  for (const address of [...clusterIPs, ...externalIPs, ...loadBalancerVIPs]) members.push(['IPVS-IPS', address]);
  return members;
}

function loadBalancerMembers(rules: ServiceRules, isLocal: boolean): Member[] {
  return rules.loadBalancerVIPs.flatMap((address): Member[] => {
    const key = `${address},${rules.protocol}:${rules.port}`;
    return [
      ['LOAD-BALANCER', key],
      ...(isLocal ? [['LOAD-BALANCER-LOCAL', key] as const] : []),
      ...(rules.sourceRanges.length > 0 ? [['LOAD-BALANCER-FW', key] as const] : []),
      ...rules.sourceRanges.flatMap(halves).map((range) => ['LOAD-BALANCER-SOURCE-CID', `${key},${range}`] as const),
    ];
  });
}

/** ipset has no prefix of length 0. */
function halves(range: string): string[] {
  if (range === '0.0.0.0/0') return ['0.0.0.0/1', '128.0.0.0/1'];
  return range === '::/0' ? ['::/1', '8000::/1'] : [range];
}
