/** Record sets → whole zones, and what stands at the top of each. */
import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import { parseAddress } from './addresses.ts';
import { absolute, isBelowOrEqual } from './names.ts';
import type { PodMode } from './pod-names.ts';
import { canonicalRecord, mergeRecords } from './records.ts';

export const REVERSE_ZONES = ['in-addr.arpa.', 'ip6.arpa.'] as const;

/** What the name server of a zone resolves to where nobody said otherwise; without an address BIND refuses a zone. */
const DEFAULT_SERVER_ADDRESSES = ['127.0.0.1'];

/** Version of the Kubernetes DNS specification, and how long CoreDNS lets it be kept. */
const DNS_VERSION = '1.1.0';
const DNS_VERSION_TTL_SECONDS = 28_800;

export interface Zone {
  /** Absolute name of the apex. */
  readonly name: string;
  readonly serial: number;
  /** In canonical order, so the SOA comes first; equal records merged. */
  readonly records: DnsRecord[];
}

export interface ZoneSettings {
  /** TTL of apex records, and of negative answers. */
  readonly ttlSeconds: number;
  /** Where the servers of these zones are reached. */
  readonly serverAddresses?: readonly string[];
  /** Which names of pods are answered. Default `insecure`, as kubeadm sets CoreDNS up. */
  readonly pods?: PodMode;
  /** A zone made by an intent has nothing of the Kubernetes DNS specification. */
  readonly isExtra?: boolean;
}

interface ZoneInput extends ZoneSettings {
  readonly domain: string;
  readonly revision: number;
  readonly recordSets: readonly RecordSet[];
}

/**
 * The forward zone of a domain, and the reverse zones that have records. Equal inputs give equal zones, whatever the
 * order of record sets. Records outside the zones, or that no zone may hold, are left out.
 */
export function assembleZones(input: ZoneInput): Zone[] {
  const forward = absolute(input.domain);
  const serial = serialOf(input.revision);
  const records = new Map<string, DnsRecord[]>([forward, ...REVERSE_ZONES].map((name) => [name, []]));
  for (const record of input.recordSets.flatMap((set) => set.records)) {
    const canonical = canonicalRecord(record);
    if (canonical !== undefined) zoneRecords(records, canonical.name)?.push(canonical);
  }
  return [...records]
    .filter(([name, own]) => name === forward || own.length > 0)
    .map(([name, own]) => ({ name, serial, records: mergeRecords([...apexRecords(name, serial, input), ...own]) }));
}

function zoneRecords(records: ReadonlyMap<string, DnsRecord[]>, name: string): DnsRecord[] | undefined {
  for (const [zone, own] of records) if (isBelowOrEqual(name, zone)) return own;
  return undefined;
}

/** The zone serial of a revision: the same number, as far as 32 bits go; 0 means "none" to some servers. */
export function serialOf(revision: number): number {
  return revision % 2 ** 32 || 1;
}

/** SOA, NS and the server's addresses as CoreDNS gives them, and in a forward zone the version of the specification. */
export function apexRecords(zone: string, serial: number, settings: ZoneSettings): DnsRecord[] {
  const { ttlSeconds, serverAddresses, isExtra } = settings;
  const server = `ns.dns.${zone}`;
  const addresses = (serverAddresses ?? DEFAULT_SERVER_ADDRESSES).flatMap((text) => parseAddress(text) ?? []);
  const isReverse = REVERSE_ZONES.some((name) => name === zone);
  return [
    soaRecord(zone, serial, ttlSeconds),
    { name: zone, ttlSeconds, type: 'NS', target: server },
    ...addresses.map(({ family, text }): DnsRecord => {
      return { name: server, ttlSeconds, type: family === 'IPv4' ? 'A' : 'AAAA', address: text };
    }),
    ...(isReverse || isExtra === true ? [] : [versionRecord(zone)]),
  ];
}

function soaRecord(zone: string, serial: number, ttlSeconds: number): DnsRecord {
  return {
    name: zone,
    ttlSeconds,
    type: 'SOA',
    mname: `ns.dns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial,
    refreshSeconds: 7200,
    retrySeconds: 1800,
    expireSeconds: 86_400,
    minimumSeconds: ttlSeconds,
  };
}

function versionRecord(zone: string): DnsRecord {
  return { name: `dns-version.${zone}`, ttlSeconds: DNS_VERSION_TTL_SECONDS, type: 'TXT', text: [DNS_VERSION] };
}
