/** Dynamic updates (RFC 2136): what must hold, and what is then changed, all or nothing. */

import type { WireRecord } from './wire-records.ts';
import { WireWriter } from './wire-writer.ts';

/** A line of an update's prerequisites or of its changes; which it is follows from class, type and data. */
export interface UpdateRecord extends WireRecord {
  readonly recordClass: number;
}

export interface UpdateMessage {
  readonly id: number;
  readonly zone: string;
  readonly prerequisites: readonly UpdateRecord[];
  readonly changes: readonly UpdateRecord[];
}

const OPCODE_UPDATE = 5;
const TYPE_SOA = 6;
const TYPE_ANY = 255;
const CLASS_IN = 1;
const CLASS_NONE = 254;
const CLASS_ANY = 255;
const NO_DATA = new Uint8Array();

/** Prerequisite: no records of any type at the name (§2.4.5). */
export function nameIsNotInUse(name: string): UpdateRecord {
  return { name, type: TYPE_ANY, recordClass: CLASS_NONE, ttlSeconds: 0, data: NO_DATA };
}

/** Prerequisite: this record is all that its record set holds (§2.4.2). */
export function recordSetIs(record: WireRecord): UpdateRecord {
  return { ...record, recordClass: CLASS_IN, ttlSeconds: 0 };
}

export function addRecord(record: WireRecord): UpdateRecord {
  return { ...record, recordClass: CLASS_IN };
}

export function deleteRecord(record: WireRecord): UpdateRecord {
  return { ...record, recordClass: CLASS_NONE, ttlSeconds: 0 };
}

export function deleteRecordSet(name: string, type: number): UpdateRecord {
  return { name, type, recordClass: CLASS_ANY, ttlSeconds: 0, data: NO_DATA };
}

/** Octets of a line in a message. */
export function updateRecordBytes({ name, data }: UpdateRecord): number {
  return name.length + 1 + 10 + data.length;
}

export function encodeUpdate({ id, zone, prerequisites, changes }: UpdateMessage): Uint8Array {
  const writer = new WireWriter()
    .uint(id, 2)
    .uint(OPCODE_UPDATE << 11, 2)
    .uint(1, 2);
  writer.uint(prerequisites.length, 2).uint(changes.length, 2).uint(0, 2);
  writer.name(zone).uint(TYPE_SOA, 2).uint(CLASS_IN, 2);
  for (const { name, type, recordClass, ttlSeconds, data } of [...prerequisites, ...changes]) {
    writer.name(name).uint(type, 2).uint(recordClass, 2).uint(ttlSeconds, 4).uint(data.length, 2).bytes(data);
  }
  return writer.finish();
}
