/**
 * The shape of everything that runs: a watcher, a worker, a server. `signalbox up` runs several of them in one process,
 * a container runs one.
 */
import type { EventLog } from '@signalbox/event-log';
import type { Registry } from 'prom-client';
import type { Logger } from './logger.ts';
import type { MetricsToken } from './metrics-token.ts';
import type { Tracer } from './tracer.ts';

/** What a service is given: nothing here is global. */
export interface ServiceContext {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Absent: traces that others began are carried on, none is begun. */
  readonly tracer?: Tracer;
  /** For services that give out metrics themselves. Absent: they are for everybody. */
  readonly metricsToken?: MetricsToken;
}

export interface Readiness {
  readonly isReady: boolean;
  /** For people: what is still missing; empty when ready. */
  readonly reason: string;
}

export interface RunningService {
  readonly name: string;
  readiness(): Readiness;
  /** Rejects when the service can no longer do its work; pending for ever otherwise. The process then ends with an error. */
  readonly failure: Promise<never>;
  /** Finishes what is under way, releases everything. Idempotent. */
  stop(): Promise<void>;
}

export const READY: Readiness = { isReady: true, reason: '' };

/** Ready when all parts are; else what the first of the others lacks. */
export function readinessOf(parts: readonly Pick<RunningService, 'readiness'>[]): Readiness {
  return parts.map((part) => part.readiness()).find(({ isReady }) => !isReady) ?? READY;
}

/** Several parts that live, fail and stop together. */
export function asOneService(name: string, parts: readonly RunningService[]): RunningService {
  const failure = Promise.race(parts.map((part) => part.failure));
  failure.catch(() => {});
  return {
    name,
    failure,
    readiness: () => readinessOf(parts),
    async stop() {
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

/** A promise and the function that rejects it, for `RunningService.failure`. Never an unhandled rejection by itself. */
export function failureSignal(): { failure: Promise<never>; fail: (error: unknown) => void } {
  const controller = new AbortController();
  const failure = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  failure.catch(() => {});
  return { failure, fail: (error) => controller.abort(error) };
}
