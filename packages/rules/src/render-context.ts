/** What every backend is told of the node and the cluster, with addresses read and checked. */
import { SignalboxError } from '@signalbox/contracts';
import { type Cidr, disjointCidrs, type Family, hostCidr, parseAddress, parseCidr } from './addresses.ts';
import { primaryAddress } from './compile-service-rules.ts';
import type { RulesNode } from './select-endpoints.ts';

/**
 * How traffic of pods is told from other traffic, kube-proxy's `--detect-local-mode`. `ClusterCIDR` is by the pod networks
 * of the cluster, `NodeCIDR` by those of the node, the others by the interface that traffic comes from.
 */
export type DetectLocal =
  | { readonly mode: 'ClusterCIDR' }
  | { readonly mode: 'NodeCIDR' }
  | { readonly mode: 'BridgeInterface'; readonly interfaceName: string }
  | { readonly mode: 'InterfaceNamePrefix'; readonly prefix: string };

export interface ContextOptions {
  readonly node: RulesNode;
  /** Where pods live: traffic from elsewhere to a cluster IP is masqueraded; empty means that nothing is known of it. */
  readonly clusterCIDRs: readonly string[];
  /** `ClusterCIDR` when absent. */
  readonly detectLocal?: DetectLocal;
  /** Masquerade all traffic to cluster IPs. */
  readonly masqueradeAll?: boolean;
  /**
   * CIDRs of node addresses that answer on node ports; `0.0.0.0/0` and `::/0` mean all but loopback, `primary` the node's
   * first address of each family. Absent means as in kube-proxy: `primary` with nftables, else all addresses. Also as
   * there, a family of which nothing is given, or known of the node, answers on all addresses.
   */
  readonly nodePortAddresses?: readonly string[];
  /** Service networks: with nftables, traffic to addresses in them that no Service has is dropped. */
  readonly serviceCIDRs?: readonly string[];
}

export interface RenderContext {
  readonly node: RulesNode;
  readonly pods: PodOrigin;
  readonly masqueradeAll: boolean;
  /** Undefined: the backend's default. */
  readonly nodePortAddresses: readonly (Cidr | 'primary')[] | undefined;
  readonly serviceCIDRs: readonly Cidr[];
}

export type PodOrigin =
  | { readonly by: 'address'; readonly cidrs: Readonly<Record<Family, readonly string[]>> }
  | { readonly by: 'interface'; readonly name: string; readonly isPrefix: boolean };

/** The mark that kube-proxy puts on packets to masquerade; network plugins know to leave it alone. */
export const MASQUERADE_MARK = 0x4000;

/** IFNAMSIZ is 16 with its final zero; a prefix is followed by a wildcard. */
const INTERFACE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$/;

/** Throws `invalid` for options that cannot be followed. */
export function contextOf(options: ContextOptions): RenderContext {
  return {
    node: options.node,
    pods: podOriginOf(options),
    masqueradeAll: options.masqueradeAll ?? false,
    nodePortAddresses: options.nodePortAddresses?.map((text) =>
      text === 'primary' ? text : parseCidrOrThrow(text, 'node port address'),
    ),
    serviceCIDRs: (options.serviceCIDRs ?? []).map((text) => parseCidrOrThrow(text, 'service CIDR')),
  };
}

/** Disjoint and sorted. */
export function cidrsOf(family: Family, cidrs: readonly Cidr[]): string[] {
  return disjointCidrs(cidrs.filter((cidr) => cidr.family === family)).map(({ text }) => text);
}

/** Where node ports of a family answer; undefined: on all addresses. */
export function nodePortNetworks(
  family: Family,
  { node, nodePortAddresses }: RenderContext,
  byDefault: readonly 'primary'[] = [],
): readonly Cidr[] | undefined {
  const primary = parseAddress(primaryAddress(node, family) ?? '');
  const own: readonly Cidr[] = primary === undefined ? [] : [hostCidr(primary)];
  const given = nodePortAddresses ?? byDefault;
  const networks = given
    .flatMap((cidr) => (cidr === 'primary' ? own : [cidr]))
    .filter((cidr) => cidr.family === family);
  const areAll = networks.length === 0 || networks.some(({ prefixLength }) => prefixLength === 0);
  return areAll ? undefined : networks;
}

/** The pods' networks of a family; empty when pods are told by interface, or not at all. */
export function podCidrsOf(family: Family, { pods }: RenderContext): readonly string[] {
  return pods.by === 'address' ? pods.cidrs[family] : [];
}

function podOriginOf({ clusterCIDRs, detectLocal = { mode: 'ClusterCIDR' }, node }: ContextOptions): PodOrigin {
  const cluster = clusterCIDRs.map((text) => parseCidrOrThrow(text, 'cluster CIDR'));
  switch (detectLocal.mode) {
    case 'ClusterCIDR':
      return { by: 'address', cidrs: byFamily(cluster) };
    case 'NodeCIDR':
      // They come from a Node object, not from an administrator: what cannot be read is as if it were not there.
      return {
        by: 'address',
        cidrs: byFamily((node.podCIDRs ?? []).map(parseCidr).filter((cidr) => cidr !== undefined)),
      };
    case 'BridgeInterface':
      return { by: 'interface', name: interfaceNameOrThrow(detectLocal.interfaceName), isPrefix: false };
    case 'InterfaceNamePrefix':
      return { by: 'interface', name: interfaceNameOrThrow(detectLocal.prefix), isPrefix: true };
  }
}

function byFamily(cidrs: readonly Cidr[]): Record<Family, string[]> {
  return { IPv4: cidrsOf('IPv4', cidrs), IPv6: cidrsOf('IPv6', cidrs) };
}

function interfaceNameOrThrow(name: string): string {
  if (INTERFACE_NAME.test(name)) return name;
  throw new SignalboxError('invalid', `${JSON.stringify(name)} is not the name of an interface`);
}

function parseCidrOrThrow(text: string, what: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  throw new SignalboxError('invalid', `${JSON.stringify(text)} is not a ${what} like 10.244.0.0/16`);
}
