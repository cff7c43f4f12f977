/**
 * A member of a group that goes on when its lease is lost: one life (membership.ts) after the other, each with a name of
 * its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import type { Membership } from './membership.ts';

interface LivesOptions {
  readonly logger: Logger;
  readonly newLife: () => Membership;
  readonly onJoined: () => void;
  /** The lease is over: what was held is forgotten before the next life begins. */
  readonly onOver: () => Promise<void>;
}

const RETRY_MS = 500;

export class Lives {
  readonly #options: LivesOptions;
  #current: Membership | undefined;

  constructor(options: LivesOptions) {
    this.#options = options;
  }

  /** The life that is lived, or was lived last. */
  get current(): Membership | undefined {
    return this.#current;
  }

  get isValid(): boolean {
    return this.#current?.isValid ?? false;
  }

  /** Until `signal`. The last life is left open: who stops says when it is done (`leave`). */
  async run(signal: AbortSignal): Promise<void> {
    const { logger, newLife, onJoined, onOver } = this.#options;
    while (!signal.aborted) {
      const membership = newLife();
      try {
        await membership.join();
        if (signal.aborted) return await membership.leave();
        this.#current = membership;
        onJoined();
        await Promise.race([membership.lost, untilAborted(signal)]);
        if (signal.aborted) return;
        logger.warn({ member: membership.id }, 'lost the lease: others have taken over, joining again');
      } catch (err) {
        logger.warn({ err }, 'cannot join the other replicas, trying again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
      await onOver();
      await membership.leave().catch(() => {});
    }
  }

  /** Others go on at once. */
  async leave(): Promise<void> {
    await this.#current
      ?.leave()
      .catch((err: unknown) => this.#options.logger.warn({ err }, 'could not hand over in time'));
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
