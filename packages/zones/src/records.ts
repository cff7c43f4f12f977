/** DNS records as data: checking, ordering, merging. */
import type { DnsRecord, DnsRecordType } from '@signalbox/contracts';
import { parseAddress } from './addresses.ts';
import { absolute, isName, nameSortKey } from './names.ts';

/** Records of one owner and type: sorted, distinct, one TTL (RFC 2181 §5.2). A change makes a new array. */
export type RecordGroup = readonly DnsRecord[];

/** In this order within a name; the SOA has to come first in a zone file (RFC 1035 §5.2). */
const TYPE_ORDER: readonly DnsRecordType[] = ['SOA', 'NS', 'CNAME', 'A', 'AAAA', 'MX', 'SRV', 'PTR', 'TXT', 'CAA'];

/** Above this a TTL counts as zero (RFC 2181 §8). */
const MAX_TTL_SECONDS = 2 ** 31 - 1;

/**
 * The one way to write a record, or undefined for one that no zone may hold. All that enters a zone passes here, so
 * whatever a message carried, names and addresses need no escaping afterwards.
 */
export function canonicalRecord(record: DnsRecord): DnsRecord | undefined {
  const name = absolute(record.name);
  if (!isName(name) || !isIn(record.ttlSeconds, MAX_TTL_SECONDS)) return undefined;
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return canonicalAddress(record, name);
    case 'SRV': {
      const target = absolute(record.target);
      const areRight = [record.priority, record.weight, record.port].every((value) => isIn(value, 0xffff));
      return (isName(target) || target === '.') && areRight ? changed(record, { name, target }) : undefined;
    }
    case 'PTR':
    case 'CNAME':
    case 'NS': {
      const target = absolute(record.target);
      return isName(target) ? changed(record, { name, target }) : undefined;
    }
    case 'MX':
      return canonicalMx(record, name);
    case 'CAA': {
      // Property tags are 1 to 15 letters and digits (RFC 8659 §4.1).
      const isRight = isIn(record.flags, 0xff) && /^[a-z0-9]{1,15}$/.test(record.tag);
      return isRight ? changed(record, { name }) : undefined;
    }
    case 'TXT':
      return record.text.length > 0 ? changed(record, { name }) : undefined;
    case 'SOA':
      // A zone has one SOA, which this package makes itself.
      return undefined;
  }
}

type OfType<Type extends DnsRecordType> = Extract<DnsRecord, { type: Type }>;

function canonicalAddress(record: OfType<'A' | 'AAAA'>, name: string): DnsRecord | undefined {
  const address = parseAddress(record.address);
  const family = record.type === 'A' ? 'IPv4' : 'IPv6';
  return address?.family === family ? changed(record, { name, address: address.text }) : undefined;
}

/** The exchange `.` says that the name takes no mail (RFC 7505). */
function canonicalMx(record: OfType<'MX'>, name: string): DnsRecord | undefined {
  const exchange = absolute(record.exchange);
  const isRight = (isName(exchange) || exchange === '.') && isIn(record.preference, 0xffff);
  return isRight ? changed(record, { name, exchange }) : undefined;
}

/** The record itself when it is canonical already, as nearly all are: there may be very many. */
function changed<Type extends DnsRecord>(record: Type, change: Partial<Type>): Type {
  const isChanged = Object.entries(change).some(([key, value]) => record[key as keyof Type] !== value);
  return isChanged ? { ...record, ...change } : record;
}

function isIn(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

/** Canonical order, equal records merged; within a group all take the lowest TTL. */
export function mergeRecords(records: Iterable<DnsRecord>): DnsRecord[] {
  return [...recordsByName(records)]
    .map(([name, own]) => ({ key: nameSortKey(name), own }))
    .sort((left, right) => (left.key < right.key ? -1 : 1))
    .flatMap(({ own }) => groupsOfName(own).flat());
}

export function recordsByName(records: Iterable<DnsRecord>): Map<string, DnsRecord[]> {
  return keyed(records, (record) => record.name);
}

/** Records of one name as groups, in the order of types. */
export function groupsOfName(records: readonly DnsRecord[]): RecordGroup[] {
  if (records.length < 2) return records.length === 0 ? [] : [records];
  return [...keyed(withoutImpossibleAliases(records), (record) => record.type)]
    .sort(([left], [right]) => TYPE_ORDER.indexOf(left) - TYPE_ORDER.indexOf(right))
    .map(([, own]) => groupOf(own));
}

/**
 * A name with an alias has nothing else, and one alias (RFC 1034 §3.6.2, RFC 2181 §10.1). Where objects disagree, other
 * records win over an alias, and the first alias over others: servers refuse a zone with both.
 */
function withoutImpossibleAliases(records: readonly DnsRecord[]): readonly DnsRecord[] {
  const aliases = records.filter(({ type }) => type === 'CNAME');
  if (aliases.length === 0) return records;
  if (aliases.length < records.length) return records.filter(({ type }) => type !== 'CNAME');
  const isChosen = aliases.every(({ choice }) => choice !== undefined);
  return isChosen ? aliases : [...aliases].sort((a, b) => (recordData(a) < recordData(b) ? -1 : 1)).slice(0, 1);
}

function keyed<Key>(records: Iterable<DnsRecord>, keyOf: (record: DnsRecord) => Key): Map<Key, DnsRecord[]> {
  const byKey = new Map<Key, DnsRecord[]>();
  for (const record of records) {
    const key = keyOf(record);
    const own = byKey.get(key);
    if (own === undefined) byKey.set(key, [record]);
    else own.push(record);
  }
  return byKey;
}

function groupOf(records: readonly DnsRecord[]): RecordGroup {
  const ttlSeconds = records.reduce((lowest, record) => Math.min(lowest, record.ttlSeconds), MAX_TTL_SECONDS);
  const byData = new Map(records.map((record) => [`${recordData(record)}\n${record.choice?.set ?? ''}`, record]));
  return [...byData]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, record]) => (record.ttlSeconds === ttlSeconds ? record : { ...record, ttlSeconds }));
}

/**
 * Without choices, which neither a zone file nor a transfer can tell of: all sets together but those of weight 0, or all
 * where every set has that weight, because such sets are answered alike. Of aliases the weightiest (RFC 2181 §10.1).
 */
export function withoutChoices(group: RecordGroup): RecordGroup {
  if (group.every(({ choice }) => choice === undefined)) return group;
  const isWeighted = group.some((record) => weightOf(record) > 0);
  const shown = group.filter((record) => !isWeighted || weightOf(record) > 0);
  const kept = shown[0]?.type === 'CNAME' ? [shown.reduce(weightier)] : shown;
  const byData = new Map<string, DnsRecord>();
  for (const { choice: _choice, ...record } of kept) byData.set(recordData(record), record);
  return [...byData.values()];
}

function weightOf({ choice }: DnsRecord): number {
  return choice?.weight ?? 1;
}

function weightier(one: DnsRecord, other: DnsRecord): DnsRecord {
  return weightOf(other) > weightOf(one) ? other : one;
}

/** The record's data as a zone file writes it. Equal data of one owner and type is the same record. */
export function recordData(record: DnsRecord): string {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return record.address;
    case 'SRV':
      return `${record.priority} ${record.weight} ${record.port} ${record.target}`;
    case 'PTR':
    case 'CNAME':
    case 'NS':
      return record.target;
    case 'MX':
      return `${record.preference} ${record.exchange}`;
    case 'CAA':
      return `${record.flags} ${record.tag} ${quoted(new TextEncoder().encode(record.value))}`;
    case 'TXT':
      return record.text.flatMap(characterStrings).map(quoted).join(' ');
    case 'SOA': {
      const { serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = record;
      const numbers = [serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds];
      return [record.mname, record.rname, ...numbers].join(' ');
    }
  }
}

/** UTF-8, in pieces of at most 255 octets, which is the longest character string there is (RFC 1035 §3.3). */
export function characterStrings(text: string): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start === 0 || start < bytes.length; start += 255)
    pieces.push(bytes.subarray(start, start + 255));
  return pieces;
}

/** Quoted as in RFC 1035 §5.1: `\"` and `\\`, and `\DDD` for every octet that is not printable ASCII. */
function quoted(bytes: Uint8Array): string {
  return `"${Array.from(bytes, quotedByte).join('')}"`;
}

function quotedByte(byte: number): string {
  const char = String.fromCharCode(byte);
  if (char === '"' || char === '\\') return `\\${char}`;
  return byte >= 0x20 && byte < 0x7f ? char : `\\${byte.toString().padStart(3, '0')}`;
}
