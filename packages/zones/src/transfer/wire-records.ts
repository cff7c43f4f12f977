/** Records as octets: what an update says and what another server's zone holds (RFC 1035 §3.2.1, RFC 3597 §4). */
import type { DnsRecord } from '@signalbox/contracts';
import { addressBytes } from '../addresses.ts';
import { TYPE_NUMBERS } from '../message-writer.ts';
import { characterStrings } from '../records.ts';
import { WireWriter } from './wire-writer.ts';

export interface WireRecord {
  /** Absolute, lower case, with `\DDD` for odd octets. */
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  /** Uncompressed, names in lower case, so that equal data is equal octets. */
  readonly data: Uint8Array;
}

export function wireRecord(record: DnsRecord): WireRecord {
  const { name, type, ttlSeconds } = record;
  return { name, type: TYPE_NUMBERS[type], ttlSeconds, data: writeData(new WireWriter(), record).finish() };
}

/** Equal for equal owner, type and data; the TTL belongs to the record set, not to the record (RFC 2181 §5.2). */
export function wireRecordId({ name, type, data }: Pick<WireRecord, 'name' | 'type' | 'data'>): string {
  return `${name} ${type} ${Buffer.from(data).toString('base64')}`;
}

function writeData(writer: WireWriter, record: DnsRecord): WireWriter {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return writer.bytes(Uint8Array.from(addressBytes(record.address)));
    case 'SRV':
      return writer.uint(record.priority, 2).uint(record.weight, 2).uint(record.port, 2).name(record.target);
    case 'PTR':
    case 'CNAME':
    case 'NS':
      return writer.name(record.target);
    case 'MX':
      return writer.uint(record.preference, 2).name(record.exchange);
    case 'CAA': {
      const tag = new TextEncoder().encode(record.tag);
      return writer.uint(record.flags, 1).uint(tag.length, 1).bytes(tag).bytes(new TextEncoder().encode(record.value));
    }
    case 'TXT':
      for (const piece of record.text.flatMap(characterStrings)) writer.uint(piece.length, 1).bytes(piece);
      return writer;
    case 'SOA':
      writer.name(record.mname).name(record.rname).uint(record.serial, 4).uint(record.refreshSeconds, 4);
      return writer.uint(record.retrySeconds, 4).uint(record.expireSeconds, 4).uint(record.minimumSeconds, 4);
  }
}
