/**
 * The names that exist, with their records, and the names above them: an empty non-terminal exists too, so a question
 * for one is answered with "no data", not with "no such name" (RFC 8020).
 *
 * Records come from owners (a Service, a zone's apex). A change costs as much as the records at the changed name; nothing
 * else is touched. Groups are made when first asked for and stay the same arrays until the name changes, so whatever is
 * computed from a group, such as its wire form, may be kept for as long as the group lives.
 */
import type { DnsRecord } from '@signalbox/contracts';
import { parentOf } from './names.ts';
import { groupsOfName, type RecordGroup, recordData } from './records.ts';

interface NameNode {
  /** Mostly one, so a list is smaller and faster than a map. */
  contributions: { readonly owner: string; readonly records: readonly DnsRecord[] }[];
  /** Names that exist one label below. */
  children: number;
  groups: readonly RecordGroup[] | undefined;
}

export class NameTree {
  readonly #nodes = new Map<string, NameNode>();
  readonly #onChange: (name: string) => void;
  /** What names had before they changed; undefined while nobody wants to know. */
  #before: Map<string, readonly RecordGroup[]> | undefined;

  /** `onChange` is told every name that got other records, or came into being, or ceased to exist. */
  constructor(onChange: (name: string) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** What the owner has at this name, from now on; an empty list is nothing. */
  put(owner: string, name: string, records: readonly DnsRecord[]): void {
    const known = this.#nodes.get(name)?.contributions.find((contribution) => contribution.owner === owner);
    if (haveEqualData(known?.records ?? [], records)) return;
    if (this.#before?.has(name) === false) this.#before.set(name, this.groups(name) ?? []);
    const node = this.#nodes.get(name) ?? this.#create(name);
    node.groups = undefined;
    node.contributions = node.contributions.filter((contribution) => contribution.owner !== owner);
    if (records.length > 0) node.contributions.push({ owner, records });
    this.#onChange(name);
    this.#removeIfEmpty(name, node);
  }

  /** Undefined when the name does not exist; empty for an empty non-terminal. */
  groups(name: string): readonly RecordGroup[] | undefined {
    const node = this.#nodes.get(name);
    if (node === undefined) return undefined;
    node.groups ??= groupsOfName(node.contributions.flatMap((contribution) => contribution.records));
    return node.groups;
  }

  /** Names changed since the last call, with what they had then; from the first call on changes are kept for this. */
  takeChanges(): ReadonlyMap<string, readonly RecordGroup[]> {
    const changes = this.#before ?? new Map<string, readonly RecordGroup[]>();
    this.#before = new Map();
    return changes;
  }

  /** Who has something at this name. */
  contributions(name: string): readonly { readonly owner: string; readonly records: readonly DnsRecord[] }[] {
    return this.#nodes.get(name)?.contributions ?? [];
  }

  names(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  #create(name: string): NameNode {
    const node: NameNode = { contributions: [], children: 0, groups: undefined };
    this.#nodes.set(name, node);
    this.#onChange(name);
    const parent = parentOf(name);
    if (parent !== undefined) (this.#nodes.get(parent) ?? this.#create(parent)).children += 1;
    return node;
  }

  #removeIfEmpty(name: string, node: NameNode): void {
    if (node.contributions.length > 0 || node.children > 0) return;
    this.#nodes.delete(name);
    this.#onChange(name);
    const parentName = parentOf(name);
    const parent = parentName === undefined ? undefined : this.#nodes.get(parentName);
    if (parentName === undefined || parent === undefined) return;
    parent.children -= 1;
    this.#removeIfEmpty(parentName, parent);
  }
}

function haveEqualData(left: readonly DnsRecord[], right: readonly DnsRecord[]): boolean {
  return left.length === right.length && left.every((record, index) => isEqual(record, right[index]));
}

function isEqual(left: DnsRecord, right: DnsRecord | undefined): boolean {
  if (left.type !== right?.type || left.ttlSeconds !== right.ttlSeconds) return false;
  if (left.choice?.set !== right.choice?.set || left.choice?.weight !== right.choice?.weight) return false;
  return recordData(left) === recordData(right);
}
