/** Every record of every zone, by transfer, and some of the names by plain questions. */
import type { DnsRecord } from '@signalbox/contracts';
import { assembleZones, type WireRecord, wireRecord, wireRecordId } from '@signalbox/zones';
import { pick, type Random } from '../harness/cluster-changes.ts';
import { type ExpectedCluster, TTL_SECONDS } from '../harness/oracle.ts';
import { type Difference, differences, differencesByKey } from './differences.ts';
import { askAddresses, transfer } from './dns-client.ts';

const QUESTIONS = 20;

export async function compareDns(
  port: number,
  { domain, services }: ExpectedCluster,
  { revision, random }: { revision: number; random: Random },
): Promise<Difference[]> {
  const recordSets = services.flatMap(({ dns }) => dns.document ?? []);
  const settings = { domain, revision, ttlSeconds: TTL_SECONDS, serverAddresses: ['127.0.0.1'] };
  const zones = assembleZones({ ...settings, recordSets });
  const found: Difference[] = [];
  for (const { name, records } of zones) {
    const transferred = await transfer(port, name);
    found.push(...differencesByKey(`zone ${name}`, byId(records.map(wireRecord)), byId(transferred ?? [])));
  }
  const forward = zones[0]?.records ?? [];
  const named = forward.filter(({ type }) => type === 'A' || type === 'CNAME');
  for (let i = 0; i < QUESTIONS && named.length > 0; i += 1) {
    const { name } = pick(random, named);
    const answer = await askAddresses(port, name);
    found.push(...differences(`A ${name}`, addressesOf(name, forward), answer?.addresses.toSorted()));
  }
  return found;
}

/** As text, with their number of occurrences: an SOA at both ends of a transfer is one record. */
function byId(records: readonly WireRecord[]): Map<string, number> {
  return new Map(records.map((record) => [wireRecordId(record), record.ttlSeconds]));
}

/** With those that an alias in the zone leads to. */
function addressesOf(name: string, records: readonly DnsRecord[]): string[] {
  const own = records.filter((record) => record.name === name);
  return own
    .flatMap((record) => {
      if (record.type === 'CNAME') return addressesOf(record.target, records);
      return record.type === 'A' ? [record.address] : [];
    })
    .sort();
}
