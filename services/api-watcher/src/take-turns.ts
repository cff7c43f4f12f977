/**
 * Several watchers of one cluster take turns: one is active, the others stand by.
 *
 *     standing by ──lease──► active ──SIGTERM: handed over──► gone
 *                              └── lease lost, or another one wrote ──► failed: the process ends, and stands by anew
 *
 * Each cluster is a group with a single thing to own. Whoever gets the turn reads what the log holds and lists the
 * cluster, so only differences are published. An active one that was paused has lost its turn; it fails rather than go on,
 * because what it believes of the log is no longer true.
 */
import { errorText, SignalboxError, watchGroup } from '@signalbox/contracts';
import {
  failureSignal,
  joinPatiently,
  LEAD,
  Membership,
  type Readiness,
  type RunningService,
  type ServiceContext,
} from '@signalbox/kit';
import type { Source } from '@signalbox/kube';
import { type ApiWatcherOptions, startApiWatcher } from './api-watcher.ts';

export interface TurnOptions extends ApiWatcherOptions {
  /** Another one takes over when the active one is silent for longer. */
  readonly leaseMs: number;
}

export async function startWatcherInTurn(context: ServiceContext, options: TurnOptions): Promise<RunningService> {
  const turns = options.sources.map((source) => new Turn(context, source, options));
  try {
    for (const turn of turns) await turn.join();
  } catch (error) {
    await Promise.all(turns.map((turn) => turn.stop()));
    throw error;
  }
  const failure = Promise.race(turns.map((turn) => turn.failure));
  failure.catch(() => {});
  return {
    name: 'api-watcher',
    failure,
    readiness: () => turns.map((turn) => turn.readiness()).find(({ isReady }) => !isReady) ?? READY,
    stop: async () => {
      await Promise.all(turns.map((turn) => turn.stop()));
    },
  };
}

const READY: Readiness = { isReady: true, reason: '' };

class Turn {
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #source: Source;
  readonly #options: TurnOptions;
  readonly #membership: Membership;
  #watcher: Promise<RunningService> | undefined;
  #running: RunningService | undefined;
  #isStopping = false;

  constructor(context: ServiceContext, source: Source, options: TurnOptions) {
    this.#context = context;
    this.#source = source;
    this.#options = options;
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
    this.#membership = new Membership({
      log: context.log,
      logger: context.logger,
      group: watchGroup(source.cluster),
      partitions: [],
      leaseMs: options.leaseMs,
      onChange: () => this.#look(),
    });
  }

  async join(): Promise<void> {
    await joinPatiently(this.#membership);
    this.#membership.lost.then(() => {
      if (this.#isStopping) return;
      const reason = 'it was not renewed in time, or another watcher ended it';
      this.#fail(new SignalboxError('unavailable', `the lease on ${this.#source.cluster} is over: ${reason}`));
    }, this.#fail);
    this.#look();
  }

  readiness(): Readiness {
    if (this.#watcher === undefined) return READY;
    const starting = { isReady: false, reason: `api-watcher: starting on ${this.#source.cluster}` };
    return this.#running?.readiness() ?? starting;
  }

  /** Stops writing first, and hands over then. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await (await this.#watcher?.catch(() => undefined))?.stop();
    const { logger } = this.#context;
    await this.#membership
      .leave()
      .catch((err: unknown) => logger.warn({ reason: errorText(err) }, 'could not hand over'));
  }

  #look(): void {
    if (this.#isStopping || this.#watcher !== undefined || !this.#membership.slots.has(LEAD)) return;
    const { logger } = this.#context;
    logger.info({ cluster: this.#source.cluster }, 'watching: this is the active one');
    this.#watcher = this.#start();
    this.#watcher.catch(this.#fail);
  }

  async #start(): Promise<RunningService> {
    const { sources, forget, onStatus } = this.#options;
    const watcher = await startApiWatcher(this.#context, {
      sources: [this.#source],
      siblings: sources.map(({ cluster }) => cluster),
      writer: this.#membership.id,
      ...(forget && { forget }),
      ...(onStatus && { onStatus }),
    });
    watcher.failure.catch(this.#fail);
    this.#running = watcher;
    return watcher;
  }
}
