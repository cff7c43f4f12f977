/**
 * Reads at a revision, from any replica. A client names the least revision that its answer may have; a replica that is
 * behind waits for it, for a moment, rather than answer with what the client knows to be old.
 *
 * | reading | the revision of an answer is                   | routes                                  |
 * | ------- | ---------------------------------------------- | --------------------------------------- |
 * | log     | the newest object stored                       | intents, tokens, revisions, convergence |
 * | targets | up to which target groups have been decided on | load balancers                          |
 * | derived | what every layer has derived                   | all others                              |
 *
 * All up to its revision is in an answer, and what was answered for a revision stays as it was. It may hold what came
 * later: a layer derives several revisions at once, and then shows the newest of them for each.
 *
 * Pages after the first are of the first one's revision, so they wait for it as if it had been named.
 */
import {
  isSignalboxError,
  MIN_REVISION_HEADER,
  type MinRevision,
  REVISION_HEADER,
  SignalboxError,
} from '@signalbox/contracts';
import { type Store, stateRevision, targetsRevision } from '@signalbox/store';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiDependencies } from './dependencies.ts';
import { pageRevision } from './page.ts';
import { problemOf, problemResponse, RequestProblem } from './problem.ts';

type Reading = 'log' | 'targets' | 'derived';

const MAX_WAITERS = 1_000;
/** Long enough for a replica that keeps up; one that does not is better told apart than waited for. */
const DEFAULT_WAIT_MS = 5_000;
const RETRY_AFTER_SECONDS = 1;

/** Undefined: its answers are of no revision (streams of events, leases, and what others define). */
export function readingOf(path: string): Reading | undefined {
  if (!path.startsWith('/v1/') || /^\/v1\/changes$|\/(events|lease)$/.test(path)) return undefined;
  if (/^\/v1\/(intents|tokens|revisions|convergence)(\/|$)/.test(path)) return 'log';
  return path.startsWith('/v1/load-balancers') ? 'targets' : 'derived';
}

/** Says which revision the answer is true for. */
export function answeredAt(c: Context, revision: number): void {
  c.header(REVISION_HEADER, String(revision));
}

interface Waiter {
  readonly reading: Reading;
  readonly wanted: number;
  readonly wake: () => void;
}

export class RevisionGate {
  readonly #api: ApiDependencies;
  readonly #waiters = new Set<Waiter>();
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(api: ApiDependencies) {
    this.#api = api;
    this.#stopListening = api.projector.onProgress(() => this.#wakeReached());
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  middleware(): MiddlewareHandler {
    return async (c, next) => {
      const reading = readingOf(c.req.path);
      if (reading === undefined) return await next();
      const wanted = await this.#wantedRevision(c);
      const reached = await this.#reach({ reading, wanted, signal: c.req.raw.signal });
      return reached >= wanted ? await next() : tooLow(wanted, reached);
    };
  }

  /** Wakes all that wait. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const waiter of this.#waiters) waiter.wake();
  }

  /** 0: any will do. */
  async #wantedRevision(c: Context): Promise<number> {
    const named = minRevisionOf(c.req.header(MIN_REVISION_HEADER));
    const ofPage = pageRevision(c.req.query('next')) ?? 0;
    return Math.max(named === 'latest' ? await this.#latest() : named, ofPage);
  }

  async #latest(): Promise<number> {
    const { log } = this.#api;
    if (log === undefined)
      throw new SignalboxError('unavailable', 'this API has no event log to ask for its newest revision');
    try {
      return (await log.info('objects')).lastSequence;
    } catch (error) {
      if (!isSignalboxError(error, 'unavailable')) throw error;
      const hint = `without ${MIN_REVISION_HEADER}: latest this replica answers with what it has`;
      throw new SignalboxError('unavailable', `the event log does not tell its newest revision; ${hint}`, {
        cause: error,
      });
    }
  }

  /** The revision that an answer would have now, or after a wait when that is too low; lower than wanted when time is up. */
  async #reach({
    reading,
    wanted,
    signal,
  }: {
    reading: Reading;
    wanted: number;
    signal: AbortSignal;
  }): Promise<number> {
    if (wanted === 0) return 0;
    const { store } = this.#api;
    const revision = revisionOf(store, reading);
    if (revision >= wanted || this.#isClosed || signal.aborted) return revision;
    if (this.#waiters.size >= MAX_WAITERS) {
      throw new SignalboxError('unavailable', 'too many requests wait for a revision; try again later');
    }
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const waiter: Waiter = { reading, wanted, wake };
      const timer = setTimeout(wake, this.#api.revisionWaitMs ?? DEFAULT_WAIT_MS);
      this.#waiters.add(waiter);
      signal.addEventListener('abort', wake, { once: true });
    });
    return revisionOf(store, reading);
  }

  #wakeReached(): void {
    if (this.#waiters.size === 0) return;
    const reached = new Map<Reading, number>();
    for (const { reading, wanted, wake } of this.#waiters) {
      const revision = reached.get(reading) ?? revisionOf(this.#api.store, reading);
      reached.set(reading, revision);
      if (revision >= wanted) wake();
    }
  }
}

function minRevisionOf(header: string | undefined): MinRevision {
  if (header === undefined) return 0;
  const text = header.trim();
  if (text === 'latest') return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const message = 'must be a revision, or `latest`';
  throw new RequestProblem(
    problemOf('invalid', `${MIN_REVISION_HEADER}: ${message}`, [{ parameter: MIN_REVISION_HEADER, message }]),
  );
}

/** 0 while there is none. */
function revisionOf(store: Store, reading: Reading): number {
  if (reading === 'targets') return targetsRevision(store) ?? 0;
  const { head, revision } = stateRevision(store);
  return reading === 'log' ? head : (revision ?? 0);
}

function tooLow(minRevision: number, revision: number): Response {
  const detail = `this replica answers at revision ${revision}, which is before ${minRevision}; try again, or another one`;
  const problem = { ...problemOf('unavailable', detail), revision, minRevision };
  return problemResponse(problem, { 'retry-after': String(RETRY_AFTER_SECONDS) });
}
