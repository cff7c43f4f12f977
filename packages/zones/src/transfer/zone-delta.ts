/**
 * What changed between two versions of a zone, its SOA aside: records to take out and to put in. A record is its owner,
 * type, data and TTL, so another TTL is one record out and one in.
 */
import type { DnsRecord } from '@signalbox/contracts';
import { type RecordGroup, recordData } from '../records.ts';

export interface ZoneDelta {
  readonly removed: readonly DnsRecord[];
  readonly added: readonly DnsRecord[];
}

export const EMPTY_DELTA: ZoneDelta = { removed: [], added: [] };

/** From the groups of one name to those it has now. Equal groups give an empty delta. */
export function diffGroups(before: readonly RecordGroup[], after: readonly RecordGroup[]): ZoneDelta {
  return combineDeltas([{ removed: before.flat(), added: after.flat() }]);
}

/** Deltas that follow one another as one: what was put in and taken out again on the way is in neither part. */
export function combineDeltas(deltas: Iterable<ZoneDelta>): ZoneDelta {
  const removed = new Map<string, DnsRecord>();
  const added = new Map<string, DnsRecord>();
  for (const delta of deltas) {
    for (const record of delta.removed) move(record, added, removed);
    for (const record of delta.added) move(record, removed, added);
  }
  return { removed: [...removed.values()], added: [...added.values()] };
}

export function isEmptyDelta({ removed, added }: ZoneDelta): boolean {
  return removed.length === 0 && added.length === 0;
}

/** A removal undoes an addition and the other way round. */
function move(record: DnsRecord, opposite: Map<string, DnsRecord>, own: Map<string, DnsRecord>): void {
  if (record.type === 'SOA') return;
  const id = recordId(record);
  if (!opposite.delete(id)) own.set(id, record);
}

function recordId(record: DnsRecord): string {
  return `${record.name} ${record.ttlSeconds} ${record.type} ${recordData(record)}`;
}
