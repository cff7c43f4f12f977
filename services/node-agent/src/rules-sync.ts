/**
 * Programs the node, one transaction after the other; what comes while one is under way is the next one.
 *
 *     waiting ──(first batch)──► applying ──(done, more came)──► applying
 *                                  │  ▲
 *                                  │  └──(a batch, the node, or the time for a full resync)── current
 *                                  └──(failed)──► failing ──(back-off over)──► applying, in full
 *
 * Nothing is held back on purpose: a removal is applied as soon as the transaction before it is done.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText, SignalboxError, serviceKeyText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { RulesNode } from '@signalbox/rules';
import type { Applier } from './applier.ts';
import { joinChanges, type PlanBatch, type TimedPlanChange } from './plan-feed.ts';

const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 30_000;
/** After so long without a change the applier gets its chance to do what it has put off. */
const QUIET_MS = 10_000;
const STOPPING = 'the agent is stopping';

export interface AppliedState {
  /** Watermark reached; 0: nothing yet. */
  readonly revision: number;
  readonly appliedAtMs: number | null;
  /** Of the last attempt; empty when it succeeded. */
  readonly error: string;
  readonly skippedServices: readonly string[];
}

/** One transaction, as it went. */
export interface SyncOutcome {
  /** `none`: the revision rose, and nothing on this node had to change. */
  readonly kind: 'full' | 'delta' | 'none';
  readonly seconds: number;
  /** That it reached, or was to. */
  readonly revision: number;
  /** What is in now and was not before: after failures also what those had tried. Empty when it failed. */
  readonly changes: readonly TimedPlanChange[];
  readonly error: string;
}

interface RulesSyncOptions {
  readonly applier: Applier;
  readonly logger: Logger;
  /** Everything is programmed again after so long, whatever is known of the kernel. */
  readonly fullResyncMs: number;
  readonly onOutcome: (outcome: SyncOutcome) => void;
}

export class RulesSync {
  readonly #options: RulesSyncOptions;
  #pending = new Map<string, TimedPlanChange>();
  #pendingRevision: number | undefined;
  #pendingNode: RulesNode | undefined;
  /** Of transactions that failed, and are not in. */
  #failedChanges = new Map<string, TimedPlanChange>();
  #queuedSinceMs: number | undefined;
  #applyingSinceMs: number | undefined;
  #mustApplyAll = true;
  /** Told the error of the next transaction that programs everything; empty when it succeeded. */
  #repairs: ((error: string) => void)[] = [];
  /** The last change after which the applier was not told of a quiet moment. */
  #unsettledSinceMs: number | undefined;
  #isQuiet = false;
  #hasEnded = false;
  #state: AppliedState = { revision: 0, appliedAtMs: null, error: '', skippedServices: [] };
  #wake = (): void => {};

  constructor(options: RulesSyncOptions) {
    this.#options = options;
  }

  get state(): AppliedState {
    return this.#state;
  }

  /**
   * Since when the oldest change waits, epoch milliseconds. Undefined when all is applied, and while starting: the first
   * transaction may take longer than any later one, and a probe that ends the agent for it would start it all over again.
   */
  get queuedSinceMs(): number | undefined {
    const { appliedAtMs, error } = this.#state;
    if (appliedAtMs === null && error === '') return undefined;
    return this.#applyingSinceMs ?? (this.#hasWork ? this.#queuedSinceMs : undefined);
  }

  queuePlans({ changes, revision }: PlanBatch): void {
    // What came before the first batch could not be applied, so it did not wait.
    if (!this.#hasWork) this.#queuedSinceMs = undefined;
    for (const change of changes) {
      const text = serviceKeyText(change.key);
      this.#pending.set(text, joinChanges(this.#pending.get(text), change));
    }
    this.#pendingRevision = revision;
    if (changes.length > 0) this.#queuedSinceMs ??= Date.now();
    this.#wake();
  }

  queueNode(node: RulesNode): void {
    this.#pendingNode = node;
    this.#queuedSinceMs ??= Date.now();
    this.#wake();
  }

  /** Programs everything again, as after a failure. */
  requestFull(): void {
    this.#mustApplyAll = true;
    this.#queuedSinceMs ??= Date.now();
    this.#wake();
  }

  /** `requestFull`; resolves once that is done. Throws `unavailable` when it failed, or the end came before. */
  repair(): Promise<void> {
    const repaired = new Promise<void>((resolve, reject) => {
      this.#repairs.push((error) => (error === '' ? resolve() : reject(new SignalboxError('unavailable', error))));
    });
    this.requestFull();
    if (this.#hasEnded) this.#tellRepairs(STOPPING);
    return repaired;
  }

  /** Until stopped. What is under way then is finished. */
  async run(signal: AbortSignal): Promise<void> {
    const timers = [
      setInterval(() => this.requestFull(), this.#options.fullResyncMs),
      setInterval(() => this.#noteQuiet(), QUIET_MS),
    ];
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    let retryInMs = MIN_RETRY_MS;
    while (!signal.aborted) {
      if (!this.#hasWork) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const isDone = await this.#applyPending();
      if (!isDone) await sleep(retryInMs, undefined, { signal }).catch(() => {});
      retryInMs = isDone ? MIN_RETRY_MS : Math.min(retryInMs * 2, MAX_RETRY_MS);
    }
    for (const timer of timers) clearInterval(timer);
    this.#hasEnded = true;
    this.#tellRepairs(STOPPING);
  }

  #noteQuiet(): void {
    if (this.#unsettledSinceMs === undefined || Date.now() - this.#unsettledSinceMs < QUIET_MS) return;
    this.#isQuiet = true;
    this.#wake();
  }

  /** Before the first batch nothing is whole, so nothing is applied. */
  get #hasWork(): boolean {
    if (this.#pendingRevision === undefined && this.#state.revision === 0) return false;
    return (
      this.#pendingRevision !== undefined || this.#pendingNode !== undefined || this.#mustApplyAll || this.#isQuiet
    );
  }

  async #applyPending(): Promise<boolean> {
    const { request, kind, revision } = this.#takePending();
    const startedMs = performance.now();
    try {
      const { skippedServices } = kind === 'none' ? this.#state : await this.#options.applier.apply(request);
      this.#state = { revision, appliedAtMs: Date.now(), error: '', skippedServices };
    } catch (error) {
      this.#noteFailure(error, revision);
    }
    this.#applyingSinceMs = undefined;
    const { error } = this.#state;
    if (kind === 'full') this.#tellRepairs(error);
    const seconds = (performance.now() - startedMs) / 1000;
    this.#options.onOutcome({ kind, seconds, revision, changes: this.#changesIn(request.changes), error });
    return error === '';
  }

  #changesIn(changes: readonly TimedPlanChange[]): readonly TimedPlanChange[] {
    if (this.#failedChanges.size === 0 && this.#state.error === '') return changes;
    for (const change of changes) {
      const text = serviceKeyText(change.key);
      this.#failedChanges.set(text, joinChanges(this.#failedChanges.get(text), change));
    }
    if (this.#state.error !== '') return [];
    const all = [...this.#failedChanges.values()];
    this.#failedChanges.clear();
    return all;
  }

  /** A repair asked for while a full transaction is under way is told of that one: it programs all as well. */
  #tellRepairs(error: string): void {
    for (const tell of this.#repairs.splice(0)) tell(error);
  }

  #takePending() {
    const changes = [...this.#pending.values()];
    const [node, revision = this.#state.revision] = [this.#pendingNode, this.#pendingRevision];
    const [isFull, isQuiet] = [this.#mustApplyAll, this.#isQuiet];
    const hasChange = changes.length > 0 || node !== undefined || isFull;
    this.#applyingSinceMs = this.#queuedSinceMs;
    this.#pending = new Map();
    [this.#pendingNode, this.#pendingRevision, this.#queuedSinceMs] = [undefined, undefined, undefined];
    [this.#mustApplyAll, this.#isQuiet] = [false, false];
    if (hasChange) this.#unsettledSinceMs = Date.now();
    else if (isQuiet) this.#unsettledSinceMs = undefined;
    const kind: SyncOutcome['kind'] = isFull ? 'full' : hasChange || isQuiet ? 'delta' : 'none';
    return { request: { changes, isFull, ...(node && { node }) }, kind, revision };
  }

  /** The applier remembers the changes; what is missing is that they are in, which only a full load can show. */
  #noteFailure(error: unknown, revision: number): void {
    this.#options.logger.error({ err: error, revision }, 'rules could not be applied, trying all again');
    this.#mustApplyAll = true;
    this.#pendingRevision ??= revision;
    this.#queuedSinceMs = this.#applyingSinceMs ?? this.#queuedSinceMs ?? Date.now();
    this.#state = { ...this.#state, error: errorText(error) };
  }
}
