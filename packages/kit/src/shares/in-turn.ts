/**
 * A service that only one of several replicas runs at a time; the others stand by, and are ready meanwhile.
 *
 *     standing by ──lease──► active ──stopped: handed over──► gone
 *                              └── lease lost, or the service failed ──► failed: the process ends, and stands by anew
 *
 * An active one that was paused has lost its lease. It fails rather than go on, because what it believes of the log is no
 * longer true.
 */
import { errorText, SignalboxError } from '@signalbox/contracts';
import { joinPatiently } from '../patiently.ts';
import { failureSignal, READY, type Readiness, type RunningService, type ServiceContext } from '../service.ts';
import { LEAD } from './group-state.ts';
import { Membership } from './membership.ts';

export interface InTurnOptions {
  /** For people; so is `work`, what the active one does ("watching eu"). */
  readonly name: string;
  readonly work: string;
  readonly group: string;
  /** Another one takes over when the active one is silent for longer. */
  readonly leaseMs: number;
  /** Called once, when the lease is got. */
  readonly start: (membership: Membership) => Promise<RunningService>;
}

/** Resolves when this replica is one of the group. */
export async function startInTurn(context: ServiceContext, options: InTurnOptions): Promise<RunningService> {
  const turn = new Turn(context, options);
  try {
    await turn.join();
  } catch (error) {
    await turn.stop();
    throw error;
  }
  return turn;
}

class Turn implements RunningService {
  readonly name: string;
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #context: ServiceContext;
  readonly #options: InTurnOptions;
  readonly #membership: Membership;
  #starting: Promise<void> | undefined;
  #running: RunningService | undefined;
  #isStopping = false;

  constructor(context: ServiceContext, options: InTurnOptions) {
    const { log, logger } = context;
    const { name, group, leaseMs } = options;
    this.name = name;
    this.#context = context;
    this.#options = options;
    ({ failure: this.failure, fail: this.#fail } = failureSignal());
    const onChange = (): void => this.#look();
    this.#membership = new Membership({ log, logger, group, partitions: [], leaseMs, onChange });
  }

  async join(): Promise<void> {
    await joinPatiently(this.#membership);
    this.#membership.lost.then(() => {
      if (this.#isStopping) return;
      const reason = 'it was not renewed in time, or another replica ended it';
      this.#fail(new SignalboxError('unavailable', `the lease for ${this.#options.work} is over: ${reason}`));
    }, this.#fail);
    this.#look();
  }

  readiness(): Readiness {
    if (this.#starting === undefined) return READY;
    const starting = { isReady: false, reason: `${this.name}: starting (${this.#options.work})` };
    return this.#running?.readiness() ?? starting;
  }

  /** Stops writing first, and hands over then. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#starting?.catch(() => {});
    await this.#running?.stop();
    await this.#membership
      .leave()
      .catch((err: unknown) => this.#context.logger.warn({ reason: errorText(err) }, 'could not hand over'));
  }

  #look(): void {
    if (this.#isStopping || this.#starting !== undefined || !this.#membership.slots.has(LEAD)) return;
    this.#context.logger.info({ work: this.#options.work }, 'this is the active one');
    this.#starting = this.#start();
    this.#starting.catch(this.#fail);
  }

  async #start(): Promise<void> {
    this.#running = await this.#options.start(this.#membership);
    this.#running.failure.catch(this.#fail);
  }
}
