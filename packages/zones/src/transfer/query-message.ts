/** Questions that the server itself asks: NOTIFY (RFC 1996), transfers and the owner's marker. */
import type { DnsRecord } from '@signalbox/contracts';
import { wireRecord } from './wire-records.ts';
import { WireWriter } from './wire-writer.ts';

export const TYPE_IXFR = 251;
export const TYPE_AXFR = 252;
const OPCODE_NOTIFY = 4;
const FLAG_AA = 0x0400;
const TYPE_SOA = 6;
const CLASS_IN = 1;

export function encodeQuery(id: number, name: string, type: number): Uint8Array {
  const writer = new WireWriter().uint(id, 2).uint(0, 2).uint(1, 2).uint(0, 2).uint(0, 2).uint(0, 2);
  return writer.name(name).uint(type, 2).uint(CLASS_IN, 2).finish();
}

/** With the new SOA, so that a secondary which has it already need not ask (RFC 1996 §3.7). */
export function encodeNotify(id: number, soa: Extract<DnsRecord, { type: 'SOA' }>): Uint8Array {
  const { name, ttlSeconds, data } = wireRecord(soa);
  const flags = (OPCODE_NOTIFY << 11) | FLAG_AA;
  const writer = new WireWriter().uint(id, 2).uint(flags, 2).uint(1, 2).uint(1, 2).uint(0, 2).uint(0, 2);
  writer.name(name).uint(TYPE_SOA, 2).uint(CLASS_IN, 2);
  writer.name(name).uint(TYPE_SOA, 2).uint(CLASS_IN, 2).uint(ttlSeconds, 4).uint(data.length, 2).bytes(data);
  return writer.finish();
}
