/**
 * Waiting for target groups to change: for long polls, which are woken once, and for streams, which are told which
 * Services changed. Bounded in waiters, in time and in what is remembered.
 *
 * An index is a sequence of the targets stream, the same in every replica. A replica may be behind the one that gave an
 * index out; it then waits for a moment rather than answer with what the caller knows to be old.
 */
import type { ChangeData, ServiceKey } from '@signalbox/contracts';
import { SignalboxError } from '@signalbox/contracts';
import { type Change, type ChangeFeed, type Store, streamPosition, targetsIndex } from '@signalbox/store';

const MAX_WAITERS = 5_000;
/** How long an index from the future is waited for; after that the log must be another one. */
const BEHIND_WAIT_MS = 3_000;
const REMEMBERED_CHANGES = 2_000;

/** Without a class: of any. */
export interface WaitOptions {
  readonly loadBalancerClass: string | undefined;
  readonly after: number;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly loadBalancerClass: string | undefined;
  readonly after: number;
  readonly wake: () => void;
}

type TargetsChange = ChangeData<'target-groups'>;

export class TargetGroupWatch {
  readonly #store: Store;
  readonly #waiters = new Set<Waiter>();
  readonly #stopListening: () => void;
  /** The last changes of all classes, oldest first; all after `#knownAfter` are there. */
  #changes: TargetsChange[] = [];
  #knownAfter: number;
  #isClosed = false;

  constructor(store: Store, feed: ChangeFeed) {
    this.#store = store;
    this.#knownAfter = streamPosition(store, 'targets') ?? 0;
    this.#stopListening = feed.onChanges((changes) => this.#note(changes));
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when something changed after the index, when the time is up, and when the caller went away. */
  async wait({ loadBalancerClass, after, waitMs, signal }: WaitOptions): Promise<void> {
    if (this.#isClosed || targetsIndex(this.#store, loadBalancerClass) > after) return;
    if (this.#waiters.size >= MAX_WAITERS) {
      throw new SignalboxError('unavailable', 'too many clients wait for target groups; try again later');
    }
    const isAhead = after > (streamPosition(this.#store, 'targets') ?? 0);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const waiter: Waiter = { loadBalancerClass, after, wake };
      const timer = setTimeout(wake, isAhead ? Math.min(waitMs, BEHIND_WAIT_MS) : waitMs);
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Services of the class that changed after the index, each once; undefined when that is not known any more. */
  changedAfter(loadBalancerClass: string, index: number): ServiceKey[] | undefined {
    if (index < this.#knownAfter) return undefined;
    const changed = this.#changes.filter((change) => {
      return change.index > index && change.loadBalancerClass === loadBalancerClass;
    });
    const keys = changed.map(({ cluster, namespace, name }) => ({ cluster, namespace, name }));
    return [...new Map(keys.map((key) => [`${key.cluster}/${key.namespace}/${key.name}`, key])).values()];
  }

  /** Wakes all that wait. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const waiter of this.#waiters) waiter.wake();
  }

  #note(changes: readonly Change[]): void {
    for (const { event, data } of changes) {
      if (event === 'reset') this.#forget();
      if (event === 'target-groups') this.#add(JSON.parse(data) as TargetsChange);
    }
  }

  #add(change: TargetsChange): void {
    this.#changes.push(change);
    if (this.#changes.length > 2 * REMEMBERED_CHANGES) {
      const dropped = this.#changes.splice(0, REMEMBERED_CHANGES);
      this.#knownAfter = dropped.at(-1)?.index ?? this.#knownAfter;
    }
    for (const waiter of this.#waiters) {
      const isMeant = waiter.loadBalancerClass === undefined || waiter.loadBalancerClass === change.loadBalancerClass;
      if (isMeant && change.index > waiter.after) waiter.wake();
    }
  }

  /** The store was filled anew: what changed is not known. */
  #forget(): void {
    this.#changes = [];
    this.#knownAfter = streamPosition(this.#store, 'targets') ?? 0;
    for (const waiter of this.#waiters) waiter.wake();
  }
}
