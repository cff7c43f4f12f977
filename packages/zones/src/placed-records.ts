/**
 * The records of all owners in the tree of names. An owner's records inside its own cluster's domain, or in a reverse zone,
 * are always shown; those outside, only while the zone with the longest matching name is one that an intent made: no intent
 * changes what a cluster says of itself.
 */
import type { DnsRecord, RecordSet } from '@signalbox/contracts';
import type { ServedZone } from './answer-question.ts';
import { REVERSE_ZONES } from './assemble-zones.ts';
import type { NameTree } from './name-tree.ts';
import { isBelowOrEqual } from './names.ts';
import { recordsByName } from './records.ts';
import { isReverse } from './served-zones.ts';

/** What the records of intents have for a domain of their own. */
export const NO_ZONE = '';

type ZoneOf = (name: string) => ServedZone | undefined;

export class PlacedRecords {
  readonly #tree: NameTree;
  readonly #zoneOf: ZoneOf;
  readonly #counts = new Map<string, number>();
  /** Records outside their own cluster's zones, by owner: they have to be looked at again when zones come or go. */
  readonly #outside = new Map<string, readonly DnsRecord[]>();

  constructor(tree: NameTree, zoneOf: ZoneOf) {
    this.#tree = tree;
    this.#zoneOf = zoneOf;
  }

  /** How many records of owners a zone shows. */
  countIn(zone: string): number {
    return this.#counts.get(zone) ?? 0;
  }

  /** `zone` is that of the owner's cluster (`NO_ZONE` for intents); undefined: the cluster shows nothing. */
  replace(zone: string | undefined, before: RecordSet | undefined, after: RecordSet | undefined): void {
    const owner = after ?? before;
    if (zone === undefined || owner === undefined) return;
    const ownerText = `${owner.cluster}/${owner.namespace}/${owner.name}`;
    const isInside = ({ name }: DnsRecord) => isReverse(name) || (zone !== NO_ZONE && isBelowOrEqual(name, zone));
    const outsideBefore = this.#outside.get(ownerText) ?? [];
    const outside = (after?.records ?? []).filter((record) => !isInside(record));
    if (outside.length > 0) this.#outside.set(ownerText, outside);
    else this.#outside.delete(ownerText);
    const shownBefore = [...(before?.records ?? []).filter(isInside), ...this.#shown(outsideBefore)];
    const shown = [...(after?.records ?? []).filter(isInside), ...this.#shown(outside)];
    this.#put(ownerText, shownBefore, shown, zone);
  }

  /** `changeZones` makes `zoneOf` answer otherwise: what is shown outside clusters' zones is chosen again. */
  rezone(changeZones: () => void): void {
    for (const [owner, records] of this.#outside) this.#put(owner, this.#shown(records), [], NO_ZONE);
    changeZones();
    for (const [owner, records] of this.#outside) this.#put(owner, [], this.#shown(records), NO_ZONE);
  }

  #shown(records: readonly DnsRecord[]): DnsRecord[] {
    return records.filter(({ name }) => this.#zoneOf(name)?.isExtra === true);
  }

  #put(owner: string, before: readonly DnsRecord[], after: readonly DnsRecord[], zone: string): void {
    const records = recordsByName(after);
    for (const name of recordsByName(before).keys()) if (!records.has(name)) this.#tree.put(owner, name, []);
    for (const [name, own] of records) this.#tree.put(owner, name, own);
    this.#count(zone, before, -1);
    this.#count(zone, after, 1);
  }

  #count(zone: string, records: readonly DnsRecord[], step: 1 | -1): void {
    for (const { name } of records) {
      const isOwn = zone !== NO_ZONE && isBelowOrEqual(name, zone);
      const counted =
        REVERSE_ZONES.find((reverse) => isBelowOrEqual(name, reverse)) ?? (isOwn ? zone : this.#zoneOf(name)?.name);
      if (counted !== undefined) this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + step);
    }
  }
}
