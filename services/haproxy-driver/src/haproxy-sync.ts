/**
 * The loop of the driver: what is decided on target groups → HAProxy → what is told of it.
 *
 *     waiting (for the stream's end, for the lease) ──► round ──► idle ──(a change, or the time for a look)──► round
 *                                                        │ failed
 *                                                        └──► back-off, then a round over everything
 *
 * One round at a time; what comes meanwhile is the next one, so changes coalesce under load and nothing waits without.
 * Who does not hold the lease changes nothing, and leaves HAProxy as it is.
 */
import { errorText } from '@signalbox/contracts';
import {
  type Clock,
  type DriverStatus,
  groupKey,
  type IndexedSet,
  type Logger,
  type ProgrammedChanges,
  type TargetFeed,
  untilMs,
} from '@signalbox/kit';
import { proxyName } from './config/proxy-name.ts';
import { compileStatuses, type HealthMemory, type ProgrammedSet } from './group-statuses.ts';
import type { DriverMetrics } from './metrics.ts';
import type { Programmer, ProgrammingOutcome } from './programmer.ts';
import type { WantedProxies } from './wanted-proxies.ts';

export interface HaproxySyncOptions {
  /** For looks and back-off. */
  readonly clock: Clock;
  readonly logger: Logger;
  readonly feed: TargetFeed;
  readonly wanted: WantedProxies;
  readonly programmer: Programmer;
  readonly metrics: DriverMetrics;
  readonly changes: ProgrammedChanges;
  readonly isAllowed: () => boolean;
  /** Between two looks at health and drift, at least. */
  readonly lookIntervalMs: number;
  readonly maxBackoffMs: number;
  readonly onStatus: (status: DriverStatus) => void;
}

export interface SyncState {
  /** Up to which everything is programmed; 0: nothing yet. */
  readonly revision: number;
  /** The same as a position in the TARGETS stream. */
  readonly sequence: number;
  readonly error: string;
}

const MIN_BACKOFF_MS = 100;
/** A look takes at most one part in so many of the time: it grows with the number of servers. */
const LOOK_SHARE = 20;

export class HaproxySync {
  readonly #options: HaproxySyncOptions;
  readonly #programmed = new Map<string, ProgrammedSet>();
  /** Services to look at in the next round. */
  #dirty = new Set<string>();
  #state: SyncState = { revision: 0, sequence: 0, error: '' };
  #health: HealthMemory = new Map();
  #nextLookMs = 0;
  #backoffMs = MIN_BACKOFF_MS;
  #wake = (): void => {};

  constructor(options: HaproxySyncOptions) {
    this.#options = options;
  }

  get state(): SyncState {
    return this.#state;
  }

  note(services: ReadonlySet<string>): void {
    for (const service of services) this.#dirty.add(service);
    this.#wake();
  }

  /** Whatever happened meanwhile: look at everything. */
  noteAllowed(): void {
    this.#nextLookMs = 0;
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted) {
      if (!this.#mayWork) await this.#untilWoken();
      else if (this.#hasWork) await this.#round(signal);
      else await this.#untilWoken(this.#nextLookMs);
    }
  }

  get #mayWork(): boolean {
    return this.#options.feed.isCurrent && this.#options.isAllowed();
  }

  get #hasWork(): boolean {
    const isBehind = this.#state.sequence !== this.#options.feed.sequence;
    return this.#dirty.size > 0 || isBehind || this.#options.clock.nowMs() >= this.#nextLookMs;
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { feed, logger, metrics } = this.#options;
    const { revision, sequence } = feed;
    const sets = new Map(feed.sets);
    const dirty = this.#dirty;
    this.#dirty = new Set();
    try {
      const outcome = await this.#program(sets, dirty);
      metrics.recordOutcome(outcome);
      if (outcome.drifted.length > 0)
        logger.warn({ backends: outcome.drifted.slice(0, 20) }, 'changed by others, put right');
      this.#noteProgrammed(sets);
      this.#state = { revision, sequence, error: '' };
      this.#backoffMs = MIN_BACKOFF_MS;
      this.#tell(sets);
    } catch (error) {
      metrics.failures.inc();
      this.#state = { ...this.#state, error: errorText(error) };
      this.#tell(sets);
      logger.warn({ reason: errorText(error), retryInMs: this.#backoffMs }, 'HAProxy could not be programmed');
      await this.#backOff(signal);
    }
  }

  async #program(sets: ReadonlyMap<string, IndexedSet>, dirty: ReadonlySet<string>): Promise<ProgrammingOutcome> {
    const { clock, wanted, programmer, lookIntervalMs } = this.#options;
    const beganMs = clock.nowMs();
    const isLook = beganMs >= this.#nextLookMs;
    const layout = await programmer.runningLayout();
    const compiled = await wanted.compile(sets.values(), layout !== undefined);
    const outcome = await programmer.program(compiled.proxies, {
      layout,
      names: isLook ? 'all' : proxiesOf(sets, dirty),
    });
    wanted.noteRunning(compiled);
    const now = clock.nowMs();
    const pauseMs = outcome.isReloaded ? 0 : (now - beganMs) * LOOK_SHARE;
    if (isLook) this.#nextLookMs = now + Math.max(lookIntervalMs, pauseMs);
    return outcome;
  }

  #noteProgrammed(sets: ReadonlyMap<string, IndexedSet>): void {
    const nowMs = Date.now();
    const { changes } = this.#options;
    for (const [service, indexed] of sets) {
      const { index, set } = indexed;
      changes.note(indexed, nowMs);
      if (this.#programmed.get(service)?.index === index) continue;
      // What was decided before this process began says nothing of how fast it is.
      if (this.#state.revision > 0) this.#options.metrics.recordDelay(Math.max(0, nowMs - set.decidedAtMs) / 1000);
      this.#programmed.set(service, { index, revision: set.revision, atMs: nowMs });
    }
    for (const service of this.#programmed.keys()) if (!sets.has(service)) this.#programmed.delete(service);
    changes.retain(sets);
  }

  #tell(sets: ReadonlyMap<string, IndexedSet>): void {
    const { programmer, wanted, onStatus } = this.#options;
    const { groups, health } = compileStatuses({
      sets: sets.values(),
      compiled: wanted.current,
      programmed: this.#programmed,
      states: programmer.states,
      checkDetails: programmer.checkDetails,
      healthBefore: this.#health,
      error: this.#state.error,
      nowMs: Date.now(),
    });
    this.#health = health;
    const skippedServices = new Map<string, number>();
    for (const { key, set } of sets.values()) {
      const isSkipped = set.groups.some((group) => wanted.current.notes.has(proxyName(groupKey(key, group))));
      if (isSkipped) skippedServices.set(key.cluster, (skippedServices.get(key.cluster) ?? 0) + 1);
    }
    const { revision, error } = this.#state;
    onStatus({ groups, revision, error, skippedServices });
  }

  /** Everything is looked at afterwards: a round that failed leaves nothing that is known. */
  async #backOff(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#nextLookMs = 0;
    await untilMs(clock, clock.nowMs() + this.#backoffMs * (0.5 + Math.random() / 2), signal);
    this.#backoffMs = Math.min(this.#backoffMs * 2, this.#options.maxBackoffMs);
  }

  async #untilWoken(latestMs?: number): Promise<void> {
    let cancel = (): void => {};
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (latestMs !== undefined) cancel = this.#options.clock.callAt(latestMs, resolve);
    });
    cancel();
    this.#wake = () => {};
  }
}

function proxiesOf(sets: ReadonlyMap<string, IndexedSet>, services: ReadonlySet<string>): Set<string> {
  const names = new Set<string>();
  for (const service of services) {
    const entry = sets.get(service);
    if (entry === undefined) continue;
    for (const group of entry.set.groups) names.add(proxyName(groupKey(entry.key, group)));
  }
  return names;
}
