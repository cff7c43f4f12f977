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
import { errorText, serviceKeyText } from '@signalbox/contracts';
import type { Logger } from '@signalbox/kit';
import type { RulesNode } from '@signalbox/rules';
import type { Applier } from './applier.ts';
import type { PlanBatch, TimedPlanChange } from './plan-feed.ts';

const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 30_000;

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
  readonly isFull: boolean;
  readonly seconds: number;
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
  #queuedSinceMs: number | undefined;
  #applyingSinceMs: number | undefined;
  #mustApplyAll = true;
  #state: AppliedState = { revision: 0, appliedAtMs: null, error: '', skippedServices: [] };
  #wake = (): void => {};

  constructor(options: RulesSyncOptions) {
    this.#options = options;
  }

  get state(): AppliedState {
    return this.#state;
  }

  /** Since when the oldest change waits, epoch milliseconds; undefined when all is applied, and before the first batch. */
  get queuedSinceMs(): number | undefined {
    return this.#applyingSinceMs ?? (this.#hasWork ? this.#queuedSinceMs : undefined);
  }

  queuePlans({ changes, revision }: PlanBatch): void {
    // What came before the first batch could not be applied, so it did not wait.
    if (!this.#hasWork) this.#queuedSinceMs = undefined;
    for (const change of changes) this.#pending.set(serviceKeyText(change.key), change);
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

  /** Until stopped. What is under way then is finished. */
  async run(signal: AbortSignal): Promise<void> {
    const timer = setInterval(() => this.requestFull(), this.#options.fullResyncMs);
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
    clearInterval(timer);
  }

  /** Before the first batch nothing is whole, so nothing is applied. */
  get #hasWork(): boolean {
    if (this.#pendingRevision === undefined && this.#state.revision === 0) return false;
    return this.#pendingRevision !== undefined || this.#pendingNode !== undefined || this.#mustApplyAll;
  }

  async #applyPending(): Promise<boolean> {
    const changes = [...this.#pending.values()];
    const [node, revision = this.#state.revision] = [this.#pendingNode, this.#pendingRevision];
    const isFull = this.#mustApplyAll;
    this.#applyingSinceMs = this.#queuedSinceMs;
    this.#pending = new Map();
    [this.#pendingNode, this.#pendingRevision, this.#queuedSinceMs] = [undefined, undefined, undefined];
    this.#mustApplyAll = false;
    const startedMs = performance.now();
    const finish = (error: string): void => {
      const seconds = (performance.now() - startedMs) / 1000;
      this.#options.onOutcome({ isFull, seconds, changes, error });
    };
    try {
      const isIdle = changes.length === 0 && node === undefined && !isFull;
      const { skippedServices } = isIdle
        ? this.#state
        : await this.#options.applier.apply({ changes, isFull, ...(node && { node }) });
      this.#state = { revision, appliedAtMs: Date.now(), error: '', skippedServices };
      finish('');
      return true;
    } catch (error) {
      this.#noteFailure(error, revision);
      finish(this.#state.error);
      return false;
    } finally {
      this.#applyingSinceMs = undefined;
    }
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
