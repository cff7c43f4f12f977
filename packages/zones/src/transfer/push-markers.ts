/**
 * What is written beside pushed records, so that nothing is touched that somebody else owns.
 *
 *     _signalbox.NAME           TXT "signalbox owner=OWNER"    the address, alias, service, pointer and text records of NAME
 *                                                              are this owner's
 *     OWNER._signalbox.ZONE     TXT "serial=42 log=ID"         the zone holds what the owner had at this serial
 *                                   "partial=TOKEN"            or something between two serials
 *
 * Each update demands that the zone's marker still is as it was last seen, and changes it: so of several replicas that
 * push the same zone, one at a time gets through, and none takes another's newer state back.
 */

import type { WireRecord } from './wire-records.ts';
import { nameBytes } from './wire-writer.ts';

export const MARKER_TYPE = 16;
const MARKER_LABEL = '_signalbox.';
const MARKER_TTL_SECONDS = 0;
const MAX_NAME_BYTES = 255;

export function nameMarker(name: string, owner: string): WireRecord {
  return text(`${MARKER_LABEL}${name}`, `signalbox owner=${owner}`);
}

/** The name that a marker is of; undefined for a record that is none of this owner's. */
export function nameOfMarker(record: WireRecord, owner: string): string | undefined {
  if (record.type !== MARKER_TYPE || !record.name.startsWith(MARKER_LABEL)) return undefined;
  const name = record.name.slice(MARKER_LABEL.length);
  return Buffer.compare(record.data, nameMarker(name, owner).data) === 0 ? name : undefined;
}

/** False for a name that is too long to have a marker. */
export function canBeMarked(name: string): boolean {
  return nameBytes(`${MARKER_LABEL}${name}`).length <= MAX_NAME_BYTES;
}

/** `value` is what follows in quotes above. */
export function zoneMarker(zone: string, owner: string, value: string): WireRecord {
  return text(`${owner}.${MARKER_LABEL}${zone}`, value);
}

export function wholeValue(serial: number, logId: string): string {
  return `serial=${serial} log=${logId}`;
}

export function partialValue(token: string): string {
  return `partial=${token}`;
}

/** The serial that a marker of the same log tells; undefined for any other. */
export function serialOfValue(value: string | undefined, logId: string): number | undefined {
  const [, serial, log] = /^serial=(\d+) log=(.*)$/.exec(value ?? '') ?? [];
  return serial !== undefined && log === logId ? Number(serial) : undefined;
}

export function valueOfMarker({ data }: Pick<WireRecord, 'data'>): string {
  return Buffer.from(data.subarray(1, 1 + (data[0] ?? 0))).toString('latin1');
}

function text(name: string, value: string): WireRecord {
  const data = Buffer.from(value, 'latin1').subarray(0, 255);
  return { name, type: MARKER_TYPE, ttlSeconds: MARKER_TTL_SECONDS, data: Uint8Array.from([data.length, ...data]) };
}
