/**
 * Writes the statuses of one cluster: the newest write of each object, one after the other.
 *
 *     queued ──► written, or the object is gone: forgotten
 *       ▲  └───► failed: again after a back-off, before all others, because the API server is away
 *       └──────► refused, or in conflict: parked, and queued again after a while, because people put that right
 *
 * There is never more than one write of an object.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Counter, Logger } from '@signalbox/kit';
import type { StatusClient, StatusOutcome } from '@signalbox/kube';
import { type Write, writeKey } from './write.ts';

const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 30_000;
const PARKED_MS = 60_000;

export interface ClusterWriterOptions {
  readonly cluster: string;
  readonly client: StatusClient;
  readonly logger: Logger;
  /** By `type` of write and `outcome`. */
  readonly outcomes: Counter<'cluster' | 'type' | 'outcome'>;
  /** How long what was refused waits. Default a minute. */
  readonly parkedMs?: number;
}

export class ClusterWriter {
  readonly #options: ClusterWriterOptions;
  readonly #stopping = new AbortController();
  readonly #queue = new Map<string, Write>();
  readonly #parked = new Map<string, Write>();
  readonly #unparking: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #trouble = '';

  constructor(options: ClusterWriterOptions) {
    this.#options = options;
    this.#unparking = setInterval(() => this.#unpark(), options.parkedMs ?? PARKED_MS).unref();
  }

  /** Why writes wait; empty while they do not. */
  get trouble(): string {
    return this.#trouble;
  }

  get waiting(): number {
    return this.#queue.size + this.#parked.size;
  }

  put(write: Write): void {
    if (this.#stopping.signal.aborted) return;
    this.#parked.delete(writeKey(write));
    this.#queue.set(writeKey(write), write);
    this.#running ??= this.#run();
  }

  #unpark(): void {
    for (const write of this.#parked.values()) this.put(write);
  }

  async stop(): Promise<void> {
    clearInterval(this.#unparking);
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    for (let [first] = this.#queue; first !== undefined && !signal.aborted; [first] = this.#queue) {
      const [key, write] = first;
      const outcome = await this.#send(write);
      if (outcome.type === 'failed') {
        const waitMs = Math.max(outcome.retryAfterMs, backOffMs(failures));
        failures += 1;
        this.#trouble = outcome.message;
        await sleep(waitMs, undefined, { signal }).catch(() => {});
        continue;
      }
      failures = 0;
      this.#trouble = '';
      if (this.#queue.get(key) !== write) continue;
      this.#queue.delete(key);
      if (outcome.type === 'refused' || outcome.type === 'conflict') this.#parked.set(key, write);
    }
    this.#running = undefined;
  }

  async #send(write: Write): Promise<StatusOutcome> {
    const { client, cluster, logger, outcomes } = this.#options;
    const { signal } = this.#stopping;
    const outcome =
      write.type === 'ingress'
        ? await client.applyIngress(write.object, write.ingress, signal).catch(failed)
        : await client.applyPodCondition(write.object, write.condition, signal).catch(failed);
    if (signal.aborted) return outcome;
    outcomes.inc({ cluster, type: write.type, outcome: outcome.type });
    const fields = {
      cluster,
      type: write.type,
      ...write.object,
      ...('message' in outcome && { reason: outcome.message }),
    };
    if (outcome.type === 'written' || outcome.type === 'missing')
      logger.info({ ...fields, outcome: outcome.type }, 'status');
    else logger.warn({ ...fields, outcome: outcome.type }, 'status not written');
    return outcome;
  }
}

function failed(error: unknown): StatusOutcome {
  return { type: 'failed', message: error instanceof Error ? error.message : String(error), retryAfterMs: 0 };
}

/** With jitter, so that writers that failed together do not come back together. */
function backOffMs(failures: number): number {
  return Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}
