/**
 * What the answer to a question has to be, from nothing but the list of all records: no index, no tree, no cache. Slow,
 * and simple enough to be believed.
 */
import type { DnsRecord } from '@signalbox/contracts';
import type { DigAnswer } from './dig.ts';

export function resolveNaively(
  records: readonly DnsRecord[],
  zones: readonly string[],
  name: string,
  type: string,
): Pick<DigAnswer, 'status' | 'answer' | 'authority' | 'additional'> {
  const zone = zones.find((apex) => name === apex || name.endsWith(`.${apex}`));
  if (zone === undefined) return { status: 'REFUSED', answer: [], authority: [], additional: [] };
  const at = (owner: string, wanted: string) => records.filter((one) => one.name === owner && one.type === wanted);
  const isAddress = type === 'A' || type === 'AAAA';
  const behindPort = at(name, 'SRV').flatMap((one) => (one.type === 'SRV' ? at(one.target, type) : []));
  const found = [
    at(name, type),
    isAddress && name.startsWith('_') ? behindPort.map((one) => ({ ...one, name })) : [],
    isAddress ? at(name, 'CNAME') : [],
  ].find((candidates) => candidates.length > 0);
  const exists = records.some((one) => one.name === name || one.name.endsWith(`.${name}`));
  const targets = (found ?? []).flatMap((one) => (one.type === 'SRV' || one.type === 'NS' ? [one.target] : []));
  return {
    status: exists ? 'NOERROR' : 'NXDOMAIN',
    answer: lines(found ?? []),
    authority: found === undefined ? lines(at(zone, 'SOA')) : [],
    additional: lines(targets.flatMap((target) => [...at(target, 'A'), ...at(target, 'AAAA')])),
  };
}

function lines(records: readonly DnsRecord[]): string[] {
  return [
    ...new Set(records.map((record) => `${record.name} ${record.ttlSeconds} IN ${record.type} ${data(record)}`)),
  ].sort();
}

function data(record: DnsRecord): string {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return record.address;
    case 'SRV':
      return [record.priority, record.weight, record.port, record.target].join(' ');
    case 'PTR':
    case 'CNAME':
    case 'NS':
      return record.target;
    case 'MX':
      return `${record.preference} ${record.exchange}`;
    case 'CAA':
      return `${record.flags} ${record.tag} ${JSON.stringify(record.value)}`;
    case 'TXT':
      return record.text.map((text) => JSON.stringify(text)).join(' ');
    case 'SOA': {
      const { mname, rname, serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = record;
      return [mname, rname, serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds].join(' ');
    }
  }
}
