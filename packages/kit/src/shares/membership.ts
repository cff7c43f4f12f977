/**
 * One life of one member of a group: its lease, and its view of the group.
 *
 *     joining ──heartbeat stored, group entered──► member ──leave()──► gone
 *                                                    │
 *                      the lease ran out, or somebody ended it ──► lost: this life is over; the next one has another name
 *
 * The lease is the member's heartbeat, a message that only it writes, each time onto the one before (compare-and-swap). It
 * holds from the moment before it was sent, for `leaseMs`. Who has not heard of a member for longer than that (by a clock
 * of its own: nobody compares clocks) ends the lease by a tombstone onto the last heartbeat it saw, and only then takes
 * the member out of the group. So either the heartbeat that would have renewed the lease fails, or the tombstone does:
 * a member that is taken out has no lease any more, by its own clock too, and cannot get one.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  groupSubject,
  isSignalboxError,
  leasesOfGroup,
  memberSubject,
  parseLeaseSubject,
  progressSubject,
  SignalboxError,
} from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';
import type { Logger } from '../logger.ts';
import { emptyGroup, evict, type GroupState, join, leave, type Slot } from './group-state.ts';
import { elapsedSince, type Moment, now } from './moment.ts';

export interface MembershipOptions {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly group: string;
  readonly partitions: readonly string[];
  readonly leaseMs: number;
  /** The group, or what this member has of it, may have changed; also because its lease is valid again. */
  readonly onChange: () => void;
  /** A member told how far it is; null: it is gone. */
  readonly onProgress?: (member: string, data: string | null) => void;
}

interface Heard {
  readonly sequence: number;
  readonly at: Moment;
}

const RETRY_MS = 250;
/** Others wait a little longer than the lease lasts. */
const PATIENCE = 1.25;
/** Who has a heartbeat and is not in the group may be about to enter it. */
const STRANGER_PATIENCE = 10;

export class Membership {
  readonly id = `${hostname()
    .replaceAll(/[^\w-]/g, '-')
    .slice(0, 40)}-${process.pid}-${randomBytes(4).toString('hex')}`;
  /** Resolves when this life is over without `leave`. */
  readonly lost: Promise<void>;
  readonly #options: MembershipOptions;
  readonly #stopping = new AbortController();
  readonly #heard = new Map<string, Heard>();
  /** Member → sequence of the last progress that it told. */
  readonly #told = new Map<string, number>();
  #group: { readonly state: GroupState; readonly sequence: number } | undefined;
  #lease: { readonly sequence: number; readonly sentAt: Moment } | undefined;
  /** Of a heartbeat that an earlier attempt to join has left behind. */
  #storedBefore = 0;
  #isJoined = false;
  #lose: () => void = () => {};
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  /** Whether what this member sends now is sent within its lease. */
  get isValid(): boolean {
    const { leaseMs } = this.#options;
    return !this.#stopping.signal.aborted && this.#lease !== undefined && elapsedSince(this.#lease.sentAt) < leaseMs;
  }

  /** Of the group; all of it once this member has entered it. */
  get members(): readonly string[] {
    return this.#group?.state.members ?? [];
  }

  /** What is this member's, by name. */
  get slots(): ReadonlyMap<string, Slot> {
    if (!this.isValid) return new Map();
    return new Map(Object.entries(this.#group?.state.slots ?? {}).filter(([, { owner }]) => owner === this.id));
  }

  /** Throws what will not pass by itself. After `unavailable` and `conflict` (a heartbeat came late) it may be called again. */
  async join(): Promise<void> {
    if (this.#lease === undefined) {
      const { log, group } = this.#options;
      this.#storedBefore = (await log.last('leases', memberSubject(group, this.id)))?.sequence ?? 0;
      await this.#renew();
      this.#running = Promise.all([this.#keepLease(), this.#follow()]);
    }
    await this.update((state) => join(state, this.id));
    this.#isJoined = true;
  }

  /** Changes the group, by compare-and-swap until it succeeds. */
  async update(change: (state: GroupState) => GroupState): Promise<void> {
    const { log, group, partitions } = this.#options;
    const subject = groupSubject(group);
    for (;;) {
      const last = await log.last('leases', subject);
      const state = last === undefined ? emptyGroup(partitions) : parseGroup(last, partitions);
      const next = change(state);
      if (JSON.stringify(next) === JSON.stringify(state)) return this.#see(state, last?.sequence ?? 0);
      try {
        const entry = { subject, data: JSON.stringify(next), expectedSequence: last?.sequence ?? 0 };
        return this.#see(next, await log.append('leases', entry));
      } catch (error) {
        if (!isSignalboxError(error, 'conflict')) throw error;
      }
    }
  }

  /** Everything that this member had on its way has its answer: others may go on at once. */
  async leave(): Promise<void> {
    const { log, group } = this.#options;
    const isValid = this.isValid;
    this.#stop();
    await this.#running;
    if (!isValid || this.#lease === undefined) return;
    await this.update((state) => leave(state, this.id));
    await log.append('leases', { subject: progressSubject(group, this.id), data: null });
    await log.append('leases', { subject: memberSubject(group, this.id), data: null });
  }

  #stop(): void {
    this.#stopping.abort();
    this.#lose();
  }

  #see(state: GroupState, sequence: number): void {
    if (sequence < (this.#group?.sequence ?? 0)) return;
    this.#group = { state, sequence };
    if (this.#isJoined && !state.members.includes(this.id)) this.#stop();
    this.#options.onChange();
  }

  async #keepLease(): Promise<void> {
    const { leaseMs, logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await sleep(leaseMs / 4, undefined, { signal: this.#stopping.signal }).catch(() => {});
      if (this.#stopping.signal.aborted) return;
      if (!this.isValid) return this.#stop();
      try {
        await this.#renew();
        await this.#evictSilent();
        if (this.#isJoined) await this.#sweep();
      } catch (err) {
        if (isSignalboxError(err, 'conflict')) return this.#stop();
        logger.warn({ err, member: this.id }, 'the lease could not be renewed, trying again');
      }
    }
  }

  async #renew(): Promise<void> {
    const { log, group, leaseMs } = this.#options;
    const sentAt = now();
    const data = JSON.stringify({ sentAtMs: sentAt.wallMs, leaseMs });
    const expectedSequence = this.#lease?.sequence ?? this.#storedBefore;
    const subject = memberSubject(group, this.id);
    try {
      const sequence = await log.append('leases', { subject, data, expectedSequence });
      this.#extend({ sequence, sentAt });
    } catch (error) {
      if (!isSignalboxError(error, 'unavailable')) throw error;
      // It may have been stored: then the next one has to come after it.
      const last = await log.last('leases', subject);
      if (last?.data !== data) throw error;
      this.#extend({ sequence: last.sequence, sentAt });
    }
  }

  /** An answer may come after the lease before it was over, and until then this member had nothing. */
  #extend(lease: { readonly sequence: number; readonly sentAt: Moment }): void {
    const wasValid = this.isValid;
    this.#lease = lease;
    if (!wasValid) this.#options.onChange();
  }

  async #evictSilent(): Promise<void> {
    const { log, group, leaseMs, logger } = this.#options;
    for (const member of this.members) {
      if (member === this.id) continue;
      const heard = this.#heard.get(member) ?? (await this.#lookFor(member));
      if (heard !== undefined && elapsedSince(heard.at) < leaseMs * PATIENCE) continue;
      if (heard !== undefined && !(await this.#endLease(member, heard))) continue;
      await this.update((state) => evict(state, member));
      await log.append('leases', { subject: progressSubject(group, member), data: null });
      logger.warn({ member, group }, 'a member is silent: others take over');
    }
  }

  /**
   * Removes what nobody of the group answers for: the heartbeat of a process that died before it had entered, and progress
   * that came after its member was taken out, which would count for ever.
   */
  async #sweep(): Promise<void> {
    const { group, leaseMs } = this.#options;
    for (const [member, heard] of this.#heard) {
      if (this.members.includes(member) || elapsedSince(heard.at) < leaseMs * STRANGER_PATIENCE) continue;
      await this.#endLease(member, heard);
    }
    for (const [member, sequence] of this.#told) {
      if (this.members.includes(member) || this.#heard.has(member)) continue;
      await this.#remove(progressSubject(group, member), sequence);
    }
  }

  /**
   * The group's record may be read before the heartbeat of who is new in it has come. From now on it is listened for.
   * Undefined for one whose lease has ended.
   */
  async #lookFor(member: string): Promise<Heard | undefined> {
    const last = await this.#options.log.last('leases', memberSubject(this.#options.group, member));
    if (last === undefined || last.data === null) return undefined;
    const heard = this.#heard.get(member) ?? { sequence: last.sequence, at: now() };
    this.#heard.set(member, heard);
    return heard;
  }

  /**
   * False when there is a heartbeat that was not heard: it may have come meanwhile, or from a server whose copy is behind. So
   * the next look asks for it, and its time begins anew.
   */
  async #endLease(member: string, { sequence }: Heard): Promise<boolean> {
    const isEnded = await this.#remove(memberSubject(this.#options.group, member), sequence);
    if (!isEnded) this.#heard.delete(member);
    return isEnded;
  }

  /** False when there is a message after this one. */
  async #remove(subject: string, expectedSequence: number): Promise<boolean> {
    try {
      await this.#options.log.append('leases', { subject, data: null, expectedSequence });
      return true;
    } catch (error) {
      if (isSignalboxError(error, 'conflict')) return false;
      throw error;
    }
  }

  async #follow(): Promise<void> {
    const { log, logger, group } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const options = { from: 'snapshot', filter: leasesOfGroup(group), signal } as const;
        for await (const batch of log.follow('leases', options))
          for (const message of batch.messages) this.#hear(message);
      } catch (err) {
        if (!signal.aborted) logger.warn({ err, group }, 'the group cannot be followed, trying again');
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  #hear(message: LogMessage): void {
    const { group, partitions } = this.#options;
    const { type, member } = parseLeaseSubject(group, message.subject);
    if (type === 'progress') this.#hearProgress(member, message);
    else if (type === 'group') this.#see(parseGroup(message, partitions), message.sequence);
    else if (message.data === null) this.#heard.delete(member);
    else this.#heard.set(member, { sequence: message.sequence, at: now() });
  }

  #hearProgress(member: string, { sequence, data }: LogMessage): void {
    if (data === null) this.#told.delete(member);
    else this.#told.set(member, sequence);
    this.#options.onProgress?.(member, data);
  }
}

function parseGroup({ data }: LogMessage, partitions: readonly string[]): GroupState {
  const state = data === null ? emptyGroup(partitions) : (JSON.parse(data) as GroupState);
  if (Array.isArray(state.members) && typeof state.slots === 'object') return state;
  throw new SignalboxError('internal', 'the record of the group cannot be read');
}
