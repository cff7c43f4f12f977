/** What is known of each Service in its class: the published set, and what the cluster wants. In memory; no I/O. */
import {
  parseTargetsSubject,
  serviceKeyText,
  type TargetGroupSet,
  type TargetGroupSetKey,
  targetGroupSetSchema,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { MessageTrace } from '@signalbox/kit';
import type { WantedGroups } from '@signalbox/registrations';
import type { RegistrationChange } from './registration-feed.ts';

export interface GroupEntry {
  /** Its subject in the TARGETS stream. */
  readonly id: string;
  readonly key: TargetGroupSetKey;
  readonly service: string;
  set: TargetGroupSet | undefined;
  wanted: WantedGroups | undefined;
  /** Of what is wanted, until it was decided on in full. */
  trace: MessageTrace | undefined;
}

export class GroupTable {
  readonly #entries = new Map<string, GroupEntry>();
  /** Entry of the class that a Service is in now. */
  readonly #current = new Map<string, GroupEntry>();

  get(id: string): GroupEntry | undefined {
    return this.#entries.get(id);
  }

  all(): Iterable<GroupEntry> {
    return this.#entries.values();
  }

  restore({ subject, data }: LogMessage): void {
    const key = parseTargetsSubject(subject);
    if (key === undefined || data === null) return;
    this.#entry(key).set = targetGroupSetSchema.parse(JSON.parse(data));
  }

  /** Returns the entries that it touched: two where a Service has moved to another class. */
  want({ key, wanted, trace }: RegistrationChange): GroupEntry[] {
    const before = this.#current.get(serviceKeyText(key));
    const after = wanted === undefined ? undefined : this.#entry({ ...key, loadBalancerClass: classOf(wanted) });
    if (before !== undefined) before.wanted = undefined;
    if (after === undefined) this.#current.delete(serviceKeyText(key));
    else {
      after.wanted = wanted;
      this.#current.set(after.service, after);
    }
    const touched = [...new Set([before, after])].flatMap((entry) => entry ?? []);
    for (const entry of touched) entry.trace = trace;
    return touched;
  }

  /** Forgets an entry about which nothing is left to know. */
  dropIfEmpty(entry: GroupEntry): void {
    if (entry.set === undefined && entry.wanted === undefined) this.#entries.delete(entry.id);
  }

  #entry(key: TargetGroupSetKey): GroupEntry {
    const id = targetGroupSetSubject(key);
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    const entry = { id, key, service: serviceKeyText(key), set: undefined, wanted: undefined, trace: undefined };
    this.#entries.set(id, entry);
    return entry;
  }
}

function classOf({ registrations }: WantedGroups): string {
  return registrations.registrations[0]?.loadBalancerClass ?? '';
}
