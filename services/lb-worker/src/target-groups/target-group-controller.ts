/**
 * Registrations → target groups: takes the steps of packages/registrations and publishes what they change.
 *
 *     restoring ──► catching up ──► deciding ◄──► waiting ──► stopped
 *     (TARGETS)     (registrations,  (dirty entries)   (for a change, a deadline,
 *                    intents, status)                   or the turn of a class)
 *
 * One loop decides and publishes, one round at a time; what changes meanwhile is the next round. An entry is what it was
 * published as, so a round that could not be published is not taken back: publishing is repeated until it succeeds.
 * A round's watermark is in the same append as its last sets.
 */
import { setImmediate } from 'node:timers/promises';
import {
  TARGETS_WATERMARK_SUBJECT,
  type TargetGroupKey,
  type TargetGroupSet,
  targetGroupSetSubject,
  targetsWatermarkSchema,
  type Watermark,
} from '@signalbox/contracts';
import type { AppendEntry, LogMessage } from '@signalbox/event-log';
import type { Clock, Tracer } from '@signalbox/kit';
import { type DampingFacts, type DampingStep, stepTargetGroups } from '@signalbox/registrations';
import { AwaitingRules } from './awaiting-rules.ts';
import { ClassTurns } from './class-turns.ts';
import { Deadlines } from './deadlines.ts';
import { emptiedAmong } from './emptied.ts';
import { type GroupEntry, GroupTable } from './group-table.ts';
import type { ClassPolicy, IntentFeed } from './intent-feed.ts';
import type { TargetMetrics } from './metrics.ts';
import type { RegistrationChange } from './registration-feed.ts';
import { Round } from './round.ts';
import type { RuleAckFeed, SourceFeed } from './status-feeds.ts';
import { tracedEntry } from './traced-entry.ts';

interface ControllerOptions {
  readonly clock: Clock;
  readonly metrics: TargetMetrics;
  readonly tracer: Tracer;
  readonly intents: IntentFeed;
  readonly sources: SourceFeed;
  readonly ruleAcks: RuleAckFeed;
  /** Resolves when all of it is in the log. */
  readonly publish: (entries: readonly AppendEntry[]) => Promise<void>;
}

/** Decisions between two appends: where hundreds change at once, load balancers begin with the first ones meanwhile. */
const CHUNK = 25;

export class TargetGroupController {
  readonly #options: ControllerOptions;
  readonly #table = new GroupTable();
  readonly #dirty = new Set<string>();
  readonly #deadlines = new Deadlines();
  readonly #turns = new ClassTurns((loadBalancerClass) => this.#policyOf(loadBalancerClass).updates);
  readonly #awaitingRules = new AwaitingRules();
  #watermark: Watermark | undefined;
  #decidedRevision = -1;
  /** Of the watermark in the log. */
  #publishedRevision = -1;
  /** Nothing is decided from less than what was decided from before: registrations may be read from a server that is behind. */
  #leastRevision = -1;
  #onWake = (): void => {};

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Everything up to this revision has been decided on; -1 before the first round. */
  get revision(): number {
    return this.#decidedRevision;
  }

  /** A group is there while anything is told of it, be it that its targets are gone. */
  hasGroup({ port: name, ...set }: TargetGroupKey): boolean {
    const groups = this.#table.get(targetGroupSetSubject(set))?.set?.groups ?? [];
    return groups.some(({ port, protocol }) => `${port}/${protocol}` === name);
  }

  /** What was published before this process. `head`: the log's last revision; what is of a later one was another log's. */
  restore(message: LogMessage, head: number): void {
    if (message.subject !== TARGETS_WATERMARK_SUBJECT) this.#table.restore(message);
    else if (message.data !== null) {
      this.#publishedRevision = targetsWatermarkSchema.parse(JSON.parse(message.data)).revision;
      if (this.#publishedRevision <= head) this.#leastRevision = this.#publishedRevision;
    }
  }

  applyRegistrations(changes: readonly RegistrationChange[], watermark: Watermark): void {
    const before = this.#watermark;
    this.#watermark = watermark;
    for (const change of changes) for (const entry of this.#table.want(change)) this.#dirty.add(entry.id);
    const isListed = (cluster: string, mark: Watermark | undefined): boolean =>
      mark !== undefined && Object.hasOwn(mark.clusters, cluster);
    const isFirst = before === undefined;
    if (isFirst || Object.keys(before.clusters).join() !== Object.keys(watermark.clusters).join()) {
      this.#touch(({ key }) => isFirst || isListed(key.cluster, before) !== isListed(key.cluster, watermark));
    }
    this.wake();
  }

  touchClass(loadBalancerClass: string): void {
    this.#touch(({ key }) => key.loadBalancerClass === loadBalancerClass);
  }

  touchService(service: string): void {
    this.#touch((entry) => entry.service === service);
  }

  touchCluster(cluster: string): void {
    this.#touch(({ key }) => key.cluster === cluster);
  }

  /** Nodes have acknowledged: only who waits for that has to be looked at. */
  touchAwaitingRules(cluster: string): void {
    for (const id of this.#awaitingRules.idsOf(cluster)) this.#dirty.add(id);
    this.wake();
  }

  /** Something may have changed. */
  wake(): void {
    this.#onWake();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.wake(), { once: true });
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#onWake = resolve;
      });
      if (this.#hasWork()) {
        await this.#round();
        // Readers of this process get their turn, and what has come meanwhile is seen together.
        await setImmediate();
        continue;
      }
      const cancel = this.#callAtNextDeadline();
      await woken;
      cancel();
    }
  }

  #touch(isMeant: (entry: GroupEntry) => boolean): void {
    for (const entry of this.#table.all()) if (isMeant(entry)) this.#dirty.add(entry.id);
    this.wake();
  }

  #hasWork(): boolean {
    const { intents, sources, ruleAcks, clock } = this.#options;
    if (this.#watermark === undefined || this.#watermark.revision < this.#leastRevision) return false;
    if (!intents.isCaughtUp || !sources.isCaughtUp || !ruleAcks.isCaughtUp) return false;
    if (this.#dirty.size > 0 || this.#watermark.revision > this.#decidedRevision) return true;
    const nextMs = this.#nextMs();
    return nextMs !== undefined && nextMs <= clock.nowMs();
  }

  #nextMs(): number | undefined {
    const turnMs = this.#turns.nextMs(this.#options.clock.nowMs());
    const all = [this.#deadlines.nextMs, turnMs].flatMap((each) => each ?? []);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  #callAtNextDeadline(): () => void {
    const nextMs = this.#nextMs();
    return nextMs === undefined ? () => {} : this.#options.clock.callAt(nextMs, () => this.wake());
  }

  async #round(): Promise<void> {
    const watermark = this.#watermark;
    if (watermark === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    for (const id of this.#deadlines.takeDue(nowMs)) this.#dirty.add(id);
    const entries = [...this.#dirty].flatMap((id) => this.#table.get(id) ?? []);
    this.#dirty.clear();
    const emptied = emptiedAmong(entries, this.#table.all(), (name) => this.#policyOf(name).massRemoval.minShare);
    const round = new Round(watermark, nowMs, emptied);
    for (const [position, entry] of entries.entries()) {
      this.#decide(entry, round);
      if ((position + 1) % CHUNK === 0) await this.#publish(round);
    }
    this.#turns.give(nowMs, (id) => {
      const entry = this.#table.get(id);
      if (entry !== undefined) this.#decide(entry, round);
    });
    await this.#publish(round, watermark.revision);
  }

  #decide(entry: GroupEntry, round: Round): void {
    const { loadBalancerClass } = entry.key;
    const step = stepTargetGroups({
      before: entry.set,
      wanted: entry.wanted,
      revision: round.watermark.revision,
      policy: this.#policyOf(loadBalancerClass),
      facts: this.#factsOf(entry, round),
    });
    this.#turns.note(loadBalancerClass, entry.id, step);
    this.#deadlines.set(entry.id, step.nextDeadlineMs);
    this.#awaitingRules.note(entry, step.set);
    this.#count(entry, step, round.nowMs);
    if (step.change !== 'none') {
      const { watermark, nowMs: startMs } = round;
      const message = { ...step, revision: watermark.revision, startMs };
      const isRemoval = step.set === undefined || 'removed' in step.decisions || 'drained' in step.decisions;
      round.add(tracedEntry(this.#options.tracer, entry, message), { isRemoval });
    }
    entry.set = step.set;
    this.#table.dropIfEmpty(entry);
  }

  #factsOf(entry: GroupEntry, { watermark, nowMs, emptied }: Round): DampingFacts {
    const { intents, ruleAcks } = this.#options;
    const { cluster, loadBalancerClass } = entry.key;
    const { isPaused, pausedServices } = intents.policyOf(loadBalancerClass);
    const isListed = Object.hasOwn(watermark.clusters, cluster);
    return {
      nowMs,
      cluster: this.#clusterState(entry, isListed, emptied),
      isPaused: isPaused || pausedServices.has(entry.service),
      confirmedRevision: intents.confirmedRevision(entry.service),
      ruleAcks: ruleAcks.acksOf(cluster),
      mayUpdate: this.#turns.mayUpdate(loadBalancerClass, entry.id, nowMs),
    };
  }

  #clusterState(entry: GroupEntry, isListed: boolean, emptied: ReadonlySet<string>): DampingFacts['cluster'] {
    if (!isListed) return entry.wanted === undefined ? 'lost' : 'unreachable';
    if (emptied.has(entry.id)) return 'emptied';
    return this.#options.sources.isReadable(entry.key.cluster) ? 'readable' : 'unreachable';
  }

  #policyOf(loadBalancerClass: string): ClassPolicy['damping'] {
    return this.#options.intents.policyOf(loadBalancerClass).damping;
  }

  #count(entry: GroupEntry, step: DampingStep, nowMs: number): void {
    const { metrics } = this.#options;
    for (const [decision, times] of Object.entries(step.decisions)) metrics.decisions.inc({ decision }, times);
    metrics.held.inc(heldIn(step.set) - heldIn(entry.set));
    if (step.change === 'none') metrics.unchanged.inc();
    else metrics.published.inc({ change: step.set === undefined ? 'withdrawal' : step.change });
    if (step.change === 'update' && step.set !== undefined && step.set.revision !== entry.set?.revision) {
      metrics.delay.observe(Math.max(0, nowMs - step.set.changedAtMs) / 1000);
    }
  }

  async #publish(round: Round, revision?: number): Promise<void> {
    const entries = round.take();
    if (revision !== undefined && revision !== this.#publishedRevision) {
      entries.push({ subject: TARGETS_WATERMARK_SUBJECT, data: JSON.stringify({ revision }) });
    }
    if (entries.length > 0) await this.#options.publish(entries);
    else await setImmediate();
    const { metrics } = this.#options;
    metrics.waiting.set(this.#turns.waiting);
    if (revision === undefined) return;
    this.#publishedRevision = revision;
    this.#decidedRevision = revision;
    metrics.revision.set(revision);
  }
}

function heldIn(set: TargetGroupSet | undefined): number {
  return set?.groups.reduce((sum, { held }) => sum + (held?.targets ?? 0), 0) ?? 0;
}
