/** Plans → service ports with what they claim, before it is known what each of them gets. */
import type { ServicePortPlan } from '@signalbox/contracts';
import type { Claim, Claimant } from './address-claims.ts';
import { type Family, isCanonicalAddress, parseCidr } from './addresses.ts';
import { addressEntry, type NodePlan, nodePortEntry } from './node-plan.ts';
import { type SkippedOfService, safeText, type TransportProtocol } from './service-rules.ts';

/** One service port of one plan in one family. */
export interface ServiceDraft {
  readonly claimant: Claimant;
  readonly port: ServicePortPlan;
  /** Where in the plan the port is, for reports. */
  readonly path: string;
  /** Name of the service, for reports. */
  readonly service: string;
  readonly protocol: TransportProtocol;
  readonly claims: DraftClaims;
}

export interface DraftClaims {
  /** Two service ports of one name and protocol would share chains: only one of them is rendered. */
  readonly name: Claim;
  readonly clusterIPs: readonly Claim[];
  readonly loadBalancerVIPs: readonly Claim[];
  readonly externalIPs: readonly Claim[];
  /** None without a node port, or when it is not claimed; else all are needed. */
  readonly nodePort: readonly Claim[];
}

const PROTOCOLS: ReadonlyMap<string, TransportProtocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
]);

export interface DraftScope {
  readonly family: Family;
  /** Addresses at which node ports are claimed one by one: where a node port is nothing but a port of these addresses. */
  readonly nodePortAddresses: readonly string[];
}

/**
 * The service ports of a plan that are fit for a ruleset; none when the service has no cluster IP in the family. What is
 * not fit is reported: compiled plans hold no such thing, but plans are also read from a log.
 */
export function draftServices(
  plan: NodePlan,
  { family, nodePortAddresses }: DraftScope,
  skipped: SkippedOfService[],
): ServiceDraft[] {
  const service = safeText(`${plan.namespace}/${plan.name}`);
  const addressesAt = (addresses: readonly string[], path: string): Located[] =>
    fitAddresses(addresses, family, (index) => {
      skipped.push({ service, path: `${path}[${index}]`, reason: 'is not a canonical IP address' });
    }).map(([index, address]) => ({ address, path: `${path}[${index}]` }));
  const clusterIPs = addressesAt(plan.clusterIPs, 'clusterIPs');
  if (clusterIPs.length === 0) return [];
  const areVIPsOpen = areSourceRangesFit(plan, service, skipped);
  const addresses: PlanAddresses = {
    clusterIPs,
    loadBalancerVIPs: areVIPsOpen ? addressesAt(plan.loadBalancerVIPs, 'loadBalancerVIPs') : [],
    externalIPs: addressesAt(plan.externalIPs, 'externalIPs'),
    node: nodePortAddresses,
  };
  return plan.ports.flatMap((port, index) => {
    const path = `ports[${index}]`;
    const protocol = PROTOCOLS.get(port.protocol);
    const problem = protocol === undefined ? 'is not TCP, UDP or SCTP' : problemOfPort(port);
    if (protocol !== undefined && problem === undefined) {
      return [
        draftOf(
          { claimant: { plan, portIndex: index, id: idOf(plan, port) }, port, path, service, protocol },
          addresses,
        ),
      ];
    }
    skipped.push({ service, path, reason: problem ?? '' });
    return [];
  });
}

export function claimsOf({ claims }: ServiceDraft): Claim[] {
  const { name, clusterIPs, loadBalancerVIPs, externalIPs, nodePort } = claims;
  return [name, ...clusterIPs, ...loadBalancerVIPs, ...externalIPs, ...nodePort];
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

interface Located {
  readonly address: string;
  readonly path: string;
}

interface PlanAddresses
  extends Readonly<Record<'clusterIPs' | 'loadBalancerVIPs' | 'externalIPs', readonly Located[]>> {
  readonly node: readonly string[];
}

function fitAddresses(
  addresses: readonly string[],
  family: Family,
  onUnfit: (index: number) => void,
): (readonly [index: number, address: string])[] {
  return [...addresses.entries()].filter(([index, address]) => {
    if (address.includes(':') !== (family === 'IPv6')) return false;
    if (isCanonicalAddress(address, family)) return true;
    onUnfit(index);
    return false;
  });
}

/** Ranges that cannot be read close the VIPs: rendering the others only, or none, could open them. */
function areSourceRangesFit(plan: NodePlan, service: string, skipped: SkippedOfService[]): boolean {
  const index = plan.loadBalancerSourceRanges.findIndex((range) => parseCidr(range) === undefined);
  if (index < 0) return true;
  const path = `loadBalancerSourceRanges[${index}]`;
  skipped.push({ service, path, reason: 'is not a CIDR, so the load-balancer addresses are left out' });
  return false;
}

function problemOfPort({ port, nodePort }: ServicePortPlan): string | undefined {
  return isPort(port) && isPort(nodePort ?? port) ? undefined : 'is not a port number';
}

/**
 * An address that one service port has in several roles is claimed in the first of them: a VIP that is also listed as
 * external IP keeps its source ranges. A plan that lingers claims what is left of it.
 */
function draftOf(parts: Omit<ServiceDraft, 'claims'>, addresses: PlanAddresses): ServiceDraft {
  const { claimant, port, path, protocol } = parts;
  const { lingeringEntries } = claimant.plan;
  const isClaimed = (entry: string): boolean => lingeringEntries?.includes(entry) ?? true;
  const claimOf = (key: string, tier: Claim['tier'], at: Located): Claim => ({
    key,
    tier: lingeringEntries === undefined ? tier : 'last',
    claimant,
    ...at,
  });
  const seen = new Set<string>();
  const claimAll = (located: readonly Located[], tier: Claim['tier']): Claim[] =>
    located
      .filter(({ address }) => !seen.has(address) && seen.add(address))
      .map((at) => claimOf(addressEntry(at.address, protocol, port.port), tier, at))
      .filter(({ key }) => isClaimed(key));
  const claimOne = (key: string, tier: Claim['tier'], at: string): Claim =>
    claimOf(key, tier, { address: '', path: at });
  const { nodePort } = port;
  const nodePortKeys =
    nodePort === undefined || !isClaimed(nodePortEntry(protocol, nodePort))
      ? []
      : [
          nodePortEntry(protocol, nodePort),
          ...addresses.node.map((address) => addressEntry(address, protocol, nodePort)),
        ];
  return {
    ...parts,
    claims: {
      name: claimOne(`name ${protocol} ${claimant.id}`, 'first', path),
      clusterIPs: claimAll(addresses.clusterIPs, 'first'),
      loadBalancerVIPs: claimAll(addresses.loadBalancerVIPs, 'second'),
      externalIPs: claimAll(addresses.externalIPs, 'second'),
      nodePort: nodePortKeys.map((key) => claimOne(key, 'second', `${path}.nodePort`)),
    },
  };
}

function idOf({ namespace, name }: NodePlan, port: ServicePortPlan): string {
  return `${namespace}/${name}${port.name === '' ? '' : `:${port.name}`}`;
}
