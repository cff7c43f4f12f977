/**
 * Follows target groups as a driver does, and times what the cluster asked for. A removal is answered by the first set
 * in which the target gets nothing new, or that says by which policy it stays: the two are different measurements.
 */
import { type GroupTarget, TARGETS_WATERMARK_SUBJECT, type TargetGroupSet } from '@signalbox/contracts';
import type { EventLog } from '@signalbox/event-log';
import type { Change } from './lb-churn.ts';

/** From the event to the published set. CPU time is that of the whole process, whatever else runs on the machine. */
export interface Delay {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Addition extends Delay {
  /** From the time at which the target was said to come in, where that was said, and from the event otherwise. */
  readonly lateMs: number;
}

export interface Hold extends Delay {
  readonly reason: string;
}

export interface Answers {
  readonly removals: readonly Delay[];
  /** Removals that policy put off; the time is that until it was said. */
  readonly holds: readonly Hold[];
  readonly additions: readonly Addition[];
}

interface KnownSet {
  readonly hash: string | undefined;
  readonly active: ReadonlySet<string>;
}

/** Active targets stay for one of these, or because nobody has looked at them yet. */
const HOLDS: ReadonlySet<string> = new Set(['mass-removal-guard', 'cluster-unreachable', 'paused']);

export class TargetReader {
  updates = 0;
  notes = 0;
  /** What reading cost, which is the driver's and not the worker's. */
  cpuMs = 0;
  readonly #sets = new Map<string, KnownSet>();
  readonly #askedOut = new Map<string, Delay>();
  readonly #askedIn = new Map<string, Delay>();
  readonly #dueInMs = new Map<string, number>();
  #removals: Delay[] = [];
  #holds: Hold[] = [];
  #additions: Addition[] = [];

  get active(): number {
    return [...this.#sets.values()].reduce((sum, { active }) => sum + active.size, 0);
  }

  /** Removals without an answer. */
  get waitingRemovals(): number {
    return this.#askedOut.size;
  }

  takeAnswers(): Answers {
    const taken = { removals: this.#removals, holds: this.#holds, additions: this.#additions };
    [this.#removals, this.#holds, this.#additions] = [[], [], []];
    return taken;
  }

  expect({ slice, removed, added }: Change): void {
    const active = this.#sets.get(slice.metadata.name.replace(/-1$/, ''))?.active;
    for (const address of removed) {
      this.#askedIn.delete(address);
      if (active?.has(address)) this.#askedOut.set(address, now());
    }
    for (const address of added) {
      this.#askedOut.delete(address);
      this.#dueInMs.delete(address);
      this.#askedIn.set(address, now());
    }
  }

  async run(from: EventLog): Promise<void> {
    for await (const batch of from.follow('targets', { from: 'snapshot' })) {
      const cpu = process.cpuUsage();
      for (const { subject, data } of batch.messages) {
        if (subject !== TARGETS_WATERMARK_SUBJECT && data !== null) this.#read(JSON.parse(data) as TargetGroupSet);
      }
      this.cpuMs += cpuMsSince(cpu);
    }
  }

  #read(set: TargetGroupSet): void {
    const before = this.#sets.get(set.name);
    const isNote = before?.hash === set.programHash;
    if (isNote) this.notes += 1;
    else this.updates += 1;
    const targets = set.groups[0]?.targets ?? [];
    const active = new Set(targets.flatMap(({ state, address }) => (state === 'active' ? address : [])));
    this.#sets.set(set.name, { hash: set.programHash, active });
    const at = now();
    for (const address of before?.active ?? []) if (!active.has(address)) this.#noteRemoval(address, at);
    for (const target of targets) this.#noteTarget(target, before, at);
  }

  #noteRemoval(address: string, at: Delay): void {
    const asked = take(this.#askedOut, address);
    if (asked !== undefined) this.#removals.push(between(asked, at));
  }

  #noteTarget({ address, state, reason, untilMs }: GroupTarget, before: KnownSet | undefined, at: Delay): void {
    if (state === 'pending' && untilMs !== undefined) this.#dueInMs.set(address, untilMs);
    if (state !== 'active') return;
    const held = HOLDS.has(reason) ? take(this.#askedOut, address) : undefined;
    if (held !== undefined) this.#holds.push({ reason, ...between(held, at) });
    const asked = before?.active.has(address) ? undefined : take(this.#askedIn, address);
    if (asked === undefined) return;
    const dueMs = Math.max(asked.wallMs, take(this.#dueInMs, address) ?? 0);
    this.#additions.push({ ...between(asked, at), lateMs: Math.max(0, at.wallMs - dueMs) });
  }
}

function take<T>(from: Map<string, T>, address: string): T | undefined {
  const taken = from.get(address);
  from.delete(address);
  return taken;
}

function between(asked: Delay, at: Delay): Delay {
  return { wallMs: at.wallMs - asked.wallMs, cpuMs: at.cpuMs - asked.cpuMs };
}

function now(): Delay {
  return { wallMs: Date.now(), cpuMs: cpuMsSince() };
}

export function cpuMsSince(before?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
