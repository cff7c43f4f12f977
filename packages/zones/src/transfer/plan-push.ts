/** What to change in another server's zone, name by name. Pure: equal inputs give equal plans, `planReconcile(x, x)` is empty. */
import type { DnsRecord } from '@signalbox/contracts';
import { TYPE_NUMBERS } from '../message-writer.ts';
import { isBelowOrEqual } from '../names.ts';
import { recordsByName } from '../records.ts';
import { canBeMarked, MARKER_TYPE, nameMarker, nameOfMarker } from './push-markers.ts';
import {
  addRecord,
  deleteRecord,
  deleteRecordSet,
  nameIsNotInUse,
  recordSetIs,
  type UpdateRecord,
  updateRecordBytes,
} from './update-message.ts';
import { type WireRecord, wireRecord, wireRecordId } from './wire-records.ts';
import type { ZoneDelta } from './zone-delta.ts';

export interface PushScope {
  /** The zone at the other server: one of ours, or one below. */
  readonly zone: string;
  readonly owner: string;
}

/** Changes at one name, or a part of them; done only where the prerequisites hold. */
export interface NameChange {
  readonly name: string;
  readonly prerequisites: readonly UpdateRecord[];
  readonly changes: readonly UpdateRecord[];
  /** To be tried where the prerequisites do not hold. */
  readonly otherwise?: NameChange;
}

export interface PushPlan {
  readonly changes: readonly NameChange[];
  /** Names that somebody else has there, or that are too long to be marked. */
  readonly skipped: readonly string[];
}

const { A, AAAA, CNAME, MX, SRV, PTR, TXT, CAA } = TYPE_NUMBERS;
/** What a marked name is owned for; other types at it are left alone. */
const OWNED_TYPES = [A, AAAA, CNAME, MX, SRV, PTR, TXT, CAA];
/** RRSIG, NSEC and NSEC3, which a signing server makes itself, do not make a name somebody's. */
const SIGNING_TYPES = [46, 47, 50];
/** Far below what a message holds, so that a split change and its prerequisites always fit. */
const MAX_CHANGE_BYTES = 16_384;

/** Follows our zone from one serial to the next. `recordsAt` gives what a name has after the delta. */
export function planDelta(
  scope: PushScope,
  delta: ZoneDelta,
  recordsAt: (name: string) => readonly DnsRecord[],
): PushPlan {
  const removed = pushedByName(scope, delta.removed);
  const added = pushedByName(scope, delta.added);
  return planOf([...new Set([...removed.keys(), ...added.keys()])], (name) => {
    const [out = [], into = []] = [removed.get(name), added.get(name)];
    const countAfter = recordsAt(name).length;
    if (countAfter - into.length + out.length === 0) return claim(scope, name, into);
    const releases = countAfter === 0 ? [releaseMarker(scope, name)] : [];
    return change(scope, name, [...out.map(deleteRecord), ...into.map(addRecord), ...releases]);
  });
}

/** Makes the names that are ours in `actual`, the whole zone at the other server, what they are in `desired`. */
export function planReconcile(
  scope: PushScope,
  desired: readonly DnsRecord[],
  actual: readonly WireRecord[],
): PushPlan {
  const wanted = pushedByName(scope, desired);
  const present = new Map<string, WireRecord[]>();
  for (const record of actual) present.set(record.name, [...(present.get(record.name) ?? []), record]);
  const owned = new Set(actual.flatMap((record) => nameOfMarker(record, scope.owner) ?? []));
  const foreign = new Set([...wanted.keys()].filter((name) => !owned.has(name) && isInUse(present.get(name))));
  const names = [...new Set([...wanted.keys(), ...owned])].filter((name) => !foreign.has(name));
  const plan = planOf(names, (name) => {
    const want = wanted.get(name) ?? [];
    if (!owned.has(name)) return claim(scope, name, want);
    const have = (present.get(name) ?? []).filter(({ type }) => OWNED_TYPES.includes(type));
    const releases = want.length === 0 ? [releaseMarker(scope, name)] : [];
    return change(scope, name, [
      ...without(have, want).map(deleteRecord),
      ...without(want, have).map(addRecord),
      ...releases,
    ]);
  });
  return { changes: plan.changes, skipped: [...plan.skipped, ...foreign] };
}

/**
 * The same without knowing what is there: every wanted name is emptied and filled again. Names that we have no more, and
 * did not take away when they went, stay.
 */
export function planBlindly(scope: PushScope, desired: readonly DnsRecord[]): PushPlan {
  const wanted = pushedByName(scope, desired);
  return planOf([...wanted.keys()], (name) => {
    const [first = [], ...rest] = parts((wanted.get(name) ?? []).map(addRecord));
    const empty = OWNED_TYPES.map((type) => deleteRecordSet(name, type));
    const refill = ofOwn(scope, name, [...empty, ...first]);
    const marker = addRecord(nameMarker(name, scope.owner));
    return [
      { ...refill, otherwise: ofNobody(scope, name, [marker, ...first]) },
      ...rest.map((part) => ofOwn(scope, name, part)),
    ];
  });
}

/**
 * Changes in as few groups as may each be one message. Prerequisites are looked at before any change of a message is
 * made, so two parts of one name are never together.
 */
export function groupChanges(changes: readonly NameChange[], maxBytes: number): NameChange[][] {
  const groups: NameChange[][] = [];
  let bytes = 0;
  for (const one of changes) {
    const own = changeBytes(one);
    const last = groups.at(-1);
    if (last === undefined || bytes + own > maxBytes || last.at(-1)?.name === one.name) {
      groups.push([one]);
      bytes = own;
    } else {
      last.push(one);
      bytes += own;
    }
  }
  return groups;
}

function planOf(names: readonly string[], planName: (name: string) => readonly NameChange[]): PushPlan {
  const markable = names.filter(canBeMarked);
  return { changes: markable.flatMap(planName), skipped: names.filter((name) => !canBeMarked(name)) };
}

/** The apex belongs to whoever runs the zone there, and so does the name of our own server. */
function pushedByName({ zone }: PushScope, records: readonly DnsRecord[]): Map<string, WireRecord[]> {
  const isPushed = ({ name }: DnsRecord) => name !== zone && isBelowOrEqual(name, zone) && name !== `ns.dns.${zone}`;
  const byName = recordsByName(records.filter(isPushed));
  return new Map([...byName].map(([name, own]) => [name, own.map(wireRecord)]));
}

function isInUse(records: readonly WireRecord[] = []): boolean {
  return records.some(({ type }) => !SIGNING_TYPES.includes(type));
}

/** A name that nobody had becomes ours. */
function claim(scope: PushScope, name: string, records: readonly WireRecord[]): NameChange[] {
  const marker = nameMarker(name, scope.owner);
  const [first = [], ...rest] = parts([marker, ...records].map(addRecord));
  return [ofNobody(scope, name, first), ...rest.map((part) => ofOwn(scope, name, part))];
}

/** A name that must be ours changes. */
function change(scope: PushScope, name: string, changes: readonly UpdateRecord[]): NameChange[] {
  return parts(changes).map((part) => ofOwn(scope, name, part));
}

function ofNobody({ owner }: PushScope, name: string, changes: readonly UpdateRecord[]): NameChange {
  return { name, prerequisites: [nameIsNotInUse(name), nameIsNotInUse(nameMarker(name, owner).name)], changes };
}

function ofOwn({ owner }: PushScope, name: string, changes: readonly UpdateRecord[]): NameChange {
  return { name, prerequisites: [recordSetIs(nameMarker(name, owner))], changes };
}

function releaseMarker({ owner }: PushScope, name: string): UpdateRecord {
  return deleteRecordSet(nameMarker(name, owner).name, MARKER_TYPE);
}

/** In order, each small enough for a message; none for nothing. */
function parts(changes: readonly UpdateRecord[]): UpdateRecord[][] {
  const found: UpdateRecord[][] = [];
  let bytes = 0;
  for (const record of changes) {
    bytes += updateRecordBytes(record);
    const last = found.at(-1);
    if (last !== undefined && bytes <= MAX_CHANGE_BYTES) {
      last.push(record);
    } else {
      found.push([record]);
      bytes = updateRecordBytes(record);
    }
  }
  return found;
}

/** Records of `left` that are not in `right` with the same TTL. */
function without(left: readonly WireRecord[], right: readonly WireRecord[]): WireRecord[] {
  const idOf = (record: WireRecord) => `${wireRecordId(record)} ${record.ttlSeconds}`;
  const known = new Set(right.map(idOf));
  return left.filter((record) => !known.has(idOf(record)));
}

function changeBytes({ prerequisites, changes, otherwise }: NameChange): number {
  const own = [...prerequisites, ...changes].reduce((total, record) => total + updateRecordBytes(record), 0);
  return Math.max(own, otherwise === undefined ? 0 : changeBytes(otherwise));
}
