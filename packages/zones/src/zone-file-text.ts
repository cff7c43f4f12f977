/** Zone → master file (RFC 1035 §5). */
import type { Zone } from './assemble-zones.ts';
import { recordData } from './records.ts';

/**
 * One line per record, every name absolute, so that each line means the same wherever it is pasted. Equal zones give
 * equal text.
 */
export function zoneFileText(zone: Zone): string {
  const lines = zone.records.map(
    (record) => `${record.name}\t${record.ttlSeconds}\tIN\t${record.type}\t${recordData(record)}\n`,
  );
  return `; zone ${zone.name} serial ${zone.serial}\n$ORIGIN ${zone.name}\n${lines.join('')}`;
}
