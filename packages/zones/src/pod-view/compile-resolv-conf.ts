/**
 * The resolv.conf of a pod, as the kubelet of Kubernetes 1.36 makes it. Pure.
 *
 *   policy                  │ pod network            │ host network
 *   ────────────────────────┼────────────────────────┼─────────────
 *   ClusterFirst            │ cluster                │ node
 *   ClusterFirstWithHostNet │ cluster                │ cluster
 *   Default                 │ node                   │ node
 *   None                    │ nothing                │ nothing
 *
 *   cluster   the cluster's DNS servers; NAMESPACE.svc.DOMAIN, svc.DOMAIN, DOMAIN, then the node's search domains; ndots:5
 *   node      the node's resolv.conf
 *
 * To this the pod's dnsConfig is added: servers and domains behind, each once; options replace those of their name. Last
 * come the limits, and `skipped` says what they cut.
 */
import { SignalboxError, type Skipped } from '@signalbox/contracts';
import { parseAddress } from '../addresses.ts';
import { mergeOptions, type ResolvConf } from './resolv-conf.ts';

export const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'] as const;
export type DnsPolicy = (typeof DNS_POLICIES)[number];

/** What decides of a pod; names as in the pod's spec. */
export interface PodDns {
  readonly namespace: string;
  readonly dnsPolicy: DnsPolicy;
  readonly hostNetwork: boolean;
  /** `options` as resolv.conf has them: `ndots:2`. */
  readonly dnsConfig?: Partial<ResolvConf>;
}

/** What decides of the kubelet. */
export interface KubeletDns {
  readonly clusterDomain: string;
  /** `--cluster-dns`; without any, the policies that need it are treated as Default. */
  readonly clusterDNS: readonly string[];
  /** What `--resolv-conf` names; undefined for a kubelet that was told of none. */
  readonly resolvConf: ResolvConf | undefined;
}

/** More than three servers are ignored by resolvers; the rest is what Kubernetes allows (KEP-2595). */
export const RESOLV_CONF_LIMITS = { nameservers: 3, searches: 32, searchCharacters: 2048, domainCharacters: 253 };

const DEFAULT_OPTIONS = ['ndots:5'];
const NO_RESOLV_CONF: ResolvConf = { nameservers: [], searches: [], options: [] };

/** Throws `invalid` for a dnsConfig that the API server refuses. */
export function compileResolvConf(
  pod: PodDns,
  kubelet: KubeletDns,
): { resolvConf: ResolvConf; skipped: readonly Skipped[] } {
  checkDnsConfig(pod);
  const skipped: Skipped[] = [];
  const { nameservers, searches, options } = withDnsConfig(baseOf(pod, kubelet, skipped), pod.dnsConfig);
  return {
    resolvConf: { nameservers: fittingServers(nameservers, skipped), searches: fitting(searches, skipped), options },
    skipped,
  };
}

function baseOf(pod: PodDns, kubelet: KubeletDns, skipped: Skipped[]): ResolvConf {
  if (pod.dnsPolicy === 'None') return NO_RESOLV_CONF;
  const { dnsPolicy, hostNetwork, namespace } = pod;
  const wantsCluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  if (!wantsCluster) return nodeBase(kubelet, skipped);
  if (kubelet.clusterDNS.length > 0) {
    const searches = clusterSearches(namespace, kubelet);
    return { nameservers: kubelet.clusterDNS, searches, options: DEFAULT_OPTIONS };
  }
  skipped.push({ path: 'dnsPolicy', reason: `no cluster DNS server is known, so ${dnsPolicy} is treated as Default` });
  return nodeBase(kubelet, skipped);
}

/** A kubelet told of no resolv.conf gives pods one that finds nothing. */
function nodeBase({ resolvConf }: KubeletDns, skipped: Skipped[]): ResolvConf {
  if (resolvConf !== undefined) return resolvConf;
  skipped.push({ path: 'resolv.conf', reason: "the node's is not known; this is what a kubelet without one gives" });
  return { nameservers: ['127.0.0.1'], searches: ['.'], options: [] };
}

function clusterSearches(namespace: string, { clusterDomain, resolvConf }: KubeletDns): readonly string[] {
  const domain = clusterDomain.replace(/\.$/, '');
  const own = domain === '' ? [] : [`${namespace}.svc.${domain}`, `svc.${domain}`, domain];
  const all = [...own, ...(resolvConf?.searches ?? [])];
  return domain === '' ? all : distinct(all);
}

function withDnsConfig(base: ResolvConf, config: PodDns['dnsConfig']): ResolvConf {
  if (config === undefined) return base;
  return {
    nameservers: distinct([...base.nameservers, ...(config.nameservers ?? [])]),
    searches: distinct([...base.searches, ...(config.searches ?? [])]),
    options: mergeOptions(base.options, config.options ?? []),
  };
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

function fittingServers(servers: readonly string[], skipped: Skipped[]): readonly string[] {
  const { nameservers: limit } = RESOLV_CONF_LIMITS;
  const reason = `more than ${limit} nameservers`;
  skipped.push(...servers.slice(limit).map((server) => ({ path: `nameserver ${server}`, reason })));
  return servers.slice(0, limit);
}

/** In the kubelet's order: first the count, then domains that are too long, then from the end what makes the line so. */
function fitting(searches: readonly string[], skipped: Skipped[]): readonly string[] {
  const { searches: limit, searchCharacters, domainCharacters } = RESOLV_CONF_LIMITS;
  const cut = (domain: string, reason: string) => skipped.push({ path: `search ${domain}`, reason });
  for (const domain of searches.slice(limit)) cut(domain, `more than ${limit} search domains`);
  const kept: string[] = [];
  let length = -1;
  let isLineFull = false;
  for (const domain of searches.slice(0, limit)) {
    if (domain.length > domainCharacters) {
      cut(domain, `longer than ${domainCharacters} characters`);
      continue;
    }
    length += domain.length + 1;
    isLineFull ||= length > searchCharacters;
    if (isLineFull) cut(domain, `the search line would be longer than ${searchCharacters} characters`);
    else kept.push(domain);
  }
  return kept;
}

/** What could not be told apart from other lines of the file, and what the API server refuses of a pod. */
function checkDnsConfig({ namespace, dnsPolicy, dnsConfig = {} }: PodDns): void {
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  const refuse = (what: string): never => {
    throw new SignalboxError('invalid', what);
  };
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace)) refuse(`namespace: "${namespace}" is not a DNS label`);
  if (dnsPolicy === 'None' && nameservers.length === 0) refuse('nameservers: with the policy None there must be one');
  for (const server of nameservers) {
    if (parseAddress(server) === undefined) refuse(`nameservers: "${server}" is not an IP address`);
  }
  for (const domain of searches) {
    if (!/^(?:\.|[a-z0-9_]([-a-z0-9_.]*[a-z0-9_])?\.?)$/.test(domain) || domain.includes('..')) {
      refuse(`searches: "${domain}" is not a lower-case domain name`);
    }
  }
  for (const option of options) {
    if (!/^[!-9;-~]+(:[!-~]*)?$/.test(option)) refuse(`options: "${option}" is not NAME or NAME:VALUE`);
  }
}
