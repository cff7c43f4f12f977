/** One round of updates on one connection to another server. */
import { SignalboxError } from '@signalbox/contracts';
import {
  addRecord,
  deleteRecordSet,
  encodeQuery,
  encodeUpdate,
  groupChanges,
  MARKER_TYPE,
  type NameChange,
  nameIsNotInUse,
  recordSetIs,
  responseCode,
  type UpdateRecord,
  valueOfMarker,
  type WireRecord,
  zoneMarker,
} from '@signalbox/zones';
import { DnsConnection } from './dns-client.ts';
import type { PushTarget } from './settings.ts';
import type { TransferTimings } from './transfer-timings.ts';

interface SessionSettings {
  readonly timings: TransferTimings;
  readonly signal: AbortSignal;
}

/** Values of the zone's marker before, during and after. */
interface MarkerPath {
  readonly from: string | undefined;
  readonly partial: string;
  readonly to: string;
}

const NXDOMAIN = 3;
const SERVFAIL = 2;
const REFUSED = 5;
const NOTAUTH = 9;
/** NXDOMAIN, YXDOMAIN, YXRRSET, NXRRSET: some prerequisite does not hold (RFC 2136 §2.2). */
const PREREQUISITE_CODES = [NXDOMAIN, 6, 7, 8];
/** With prerequisites and room for the signature below the 65,535 that a message can have. */
const MAX_GROUP_BYTES = 32_768;

export class PushSession {
  readonly #target: PushTarget;
  readonly #settings: SessionSettings;
  readonly #refusedNames = new Set<string>();
  #opened: DnsConnection | undefined;

  constructor(target: PushTarget, settings: SessionSettings) {
    this.#target = target;
    this.#settings = settings;
  }

  /** Names whose changes were left out, because they are not ours there. */
  get refusedNames(): readonly string[] {
    return [...this.#refusedNames];
  }

  close(): void {
    this.#opened?.close();
  }

  /** Undefined when there is no marker. */
  async markerValue(): Promise<string | undefined> {
    const { name } = this.#marker('');
    const answer = await this.#connection.ask((id) => encodeQuery(id, name, MARKER_TYPE));
    const code = responseCode(answer);
    if (code !== 0 && code !== NXDOMAIN) throw this.#refusal('a question for the marker', code);
    const found = answer.answer.find((record) => record.type === MARKER_TYPE && record.name === name);
    return found && valueOfMarker(found);
  }

  /** The whole zone there; undefined when it is not to be had. */
  async zoneRecords(): Promise<WireRecord[] | undefined> {
    const records = await this.#connection.transfer(this.#target.zone);
    if (typeof records !== 'number') return records;
    if (records === REFUSED || records === NOTAUTH || records === SERVFAIL) return undefined;
    throw this.#refusal('a transfer', records);
  }

  /**
   * All changes, in as few messages as hold them. Changes whose prerequisites do not hold are left out and named. False
   * when the marker was not, or did not stay, what it should be: somebody else is writing.
   */
  async apply(changes: readonly NameChange[], { from, partial, to }: MarkerPath): Promise<boolean> {
    const groups = groupChanges(changes, MAX_GROUP_BYTES);
    let value = from;
    // An empty group writes the marker alone.
    for (const [index, group] of (groups.length === 0 ? [[]] : groups).entries()) {
      const isLast = index >= groups.length - 1;
      const next = isLast ? to : partial;
      if (!(await this.#applyGroup(group, value, { next, partial }))) return false;
      value = next;
    }
    return true;
  }

  /** Halves the group until those are alone that cannot be done. */
  async #applyGroup(
    group: readonly NameChange[],
    value: string | undefined,
    markers: { readonly next: string; readonly partial: string },
  ): Promise<boolean> {
    if (await this.#update(group, value, markers.next)) return true;
    if ((await this.markerValue()) !== value) return false;
    const [first] = group;
    if (first === undefined) return false;
    if (group.length === 1) {
      if (first.otherwise !== undefined) return await this.#applyGroup([first.otherwise], value, markers);
      this.#refusedNames.add(first.name);
      return await this.#applyGroup([], value, markers);
    }
    const middle = Math.ceil(group.length / 2);
    const { partial } = markers;
    if (!(await this.#applyGroup(group.slice(0, middle), value, { next: partial, partial }))) return false;
    return await this.#applyGroup(group.slice(middle), partial, markers);
  }

  /** False when a prerequisite does not hold. */
  async #update(group: readonly NameChange[], value: string | undefined, next: string): Promise<boolean> {
    const marker = this.#marker(next);
    const expected: UpdateRecord = value === undefined ? nameIsNotInUse(marker.name) : recordSetIs(this.#marker(value));
    const prerequisites = [expected, ...group.flatMap((change) => change.prerequisites)];
    const markerChanges = value === next ? [] : [deleteRecordSet(marker.name, MARKER_TYPE), addRecord(marker)];
    const changes = [...group.flatMap((change) => change.changes), ...markerChanges];
    const { zone } = this.#target;
    const answer = await this.#connection.ask((id) => encodeUpdate({ id, zone, prerequisites, changes }));
    const code = responseCode(answer);
    if (code !== 0 && !PREREQUISITE_CODES.includes(code)) throw this.#refusal('an update', code);
    return code === 0;
  }

  /** Opened when first needed: often there is nothing to say. */
  get #connection(): DnsConnection {
    const { timings, signal } = this.#settings;
    this.#opened ??= new DnsConnection(this.#target.peer, { timeoutMs: timings.timeoutMs, signal });
    return this.#opened;
  }

  #marker(value: string): WireRecord {
    return zoneMarker(this.#target.zone, this.#target.owner, value);
  }

  #refusal(what: string, code: number): SignalboxError {
    return new SignalboxError('unavailable', `${what} of zone ${this.#target.zone} was answered with code ${code}`);
  }
}
