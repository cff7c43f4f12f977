/** Services and their zone: of each, its own name and nine endpoints', one address each. */
import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import { assembleZones, zoneFileText } from '@signalbox/zones';

export const DOMAIN = 'cluster.local';
export const REVISION = 42;
const ENDPOINTS = 9;

/** A service, by number, and the address that it has from now on. */
export interface AddressChange {
  readonly service: number;
  readonly address: string;
}

interface BenchZone {
  readonly text: string;
  readonly names: readonly string[];
}

export function benchZone(services: number): BenchZone {
  const recordSets = benchRecordSets(services);
  const input = { domain: DOMAIN, revision: REVISION, ttlSeconds: 30, serverAddresses: ['127.0.0.1'], recordSets };
  const [zone] = assembleZones(input);
  if (zone === undefined) throw new Error('no zone');
  const names = recordSets.flatMap(({ records }) => records.map((record) => record.name));
  return { text: zoneFileText(zone), names };
}

export function benchRecordSets(services: number): RecordSet[] {
  return Array.from({ length: services }, (_, number) => recordSet(number));
}

export function serviceName(number: number): string {
  return `service-${number}.team-${number % 100}.svc.${DOMAIN}`;
}

/** With its first address, or another. */
export function recordSet(number: number, ownAddress?: string): RecordSet {
  const key = { cluster: 'bench', namespace: `team-${number % 100}`, name: `service-${number}` };
  const owner = `${serviceName(number)}.`;
  const address = (host: number) => `10.${number >> 8}.${number & 255}.${host}`;
  const record = (name: string, text: string): DnsRecord => ({ name, ttlSeconds: 30, type: 'A', address: text });
  const endpoints = Array.from({ length: ENDPOINTS }, (_, host) => record(`pod-${host}.${owner}`, address(host + 1)));
  return { ...key, records: [record(owner, ownAddress ?? address(250)), ...endpoints] };
}

/** In an order that no cache likes, the same in every run. */
export function queryFile({ names }: BenchZone): string {
  const lines = names.map((_, at) => {
    const name = names[(at * 7919) % names.length];
    return at % 20 === 0 ? `absent-${name} A` : `${name} A`;
  });
  return `${lines.join('\n')}\n`;
}
