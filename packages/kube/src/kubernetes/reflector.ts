/** Keeps one kind of one cluster in step with its API server, as long as it runs. Its states: reflector-state.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText, type SourceStatus } from '@signalbox/contracts';
import type { SourceLogger, SourceObject, SourceSink } from '../source.ts';
import type { ApiClient, Query } from './api-client.ts';
import { ApiFailure, describeFailure } from './api-failure.ts';
import { type BackOffSettings, pauseMs } from './back-off.ts';
import { KnownObjects } from './known-objects.ts';
import { parseListPage } from './list-page.ts';
import type { ReadObject, UnreadableObject } from './read-object.ts';
import { INITIAL_STATE, type ReflectorEvent, type ReflectorState, transition } from './reflector-state.ts';
import type { KindResource } from './resources.ts';
import { StatusReporter } from './status-reporter.ts';
import { WatchSession } from './watch-session.ts';

export interface ReflectorSettings {
  readonly pageSize: number;
  /** Shortest time after which the server is asked to end a watch; the longest is twice that. */
  readonly watchTimeoutMs: number;
  /** A stream that lasted this long was healthy, even if nothing happened in it. */
  readonly healthyAfterMs: number;
  readonly statusIntervalMs: number;
  readonly maxLineBytes: number;
  readonly maxPageBytes: number;
  readonly backOff: BackOffSettings;
}

export interface ReflectorOptions {
  readonly cluster: string;
  readonly resource: KindResource;
  readonly api: ApiClient;
  readonly sink: SourceSink;
  readonly logger: SourceLogger;
  readonly settings: ReflectorSettings;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #known: KnownObjects;
  readonly #status: StatusReporter;
  #state: ReflectorState = INITIAL_STATE;
  /** When the server accepted the watch that is read now, monotonic milliseconds. */
  #openedMs: number | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#known = new KnownObjects(options.resource.kind);
    this.#status = new StatusReporter((status) => options.sink.report(status), options.settings.statusIntervalMs);
  }

  /** Resolves after `signal` aborts, when no call into the sink is open and none will follow. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#report();
    while (!signal.aborted) {
      const retryAfterMs = await this.#readOnce(signal);
      const { settings, random } = this.#options;
      const waitMs = pauseMs(this.#state, settings.backOff, random(), retryAfterMs);
      if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
    this.#status.stop();
  }

  /** One list or one watch. Returns how long the server asked to be left alone, 0 mostly. */
  async #readOnce(signal: AbortSignal): Promise<number> {
    this.#openedMs = undefined;
    try {
      await (this.#state.read === 'list' ? this.#list(signal) : this.#watch(signal));
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      const failure = asFailure(error);
      this.#fail(failure);
      return failure.retryAfterMs;
    }
  }

  #fail(failure: ApiFailure): void {
    const { cluster, resource, api, logger } = this.#options;
    const before = this.#state;
    const message = describeFailure(failure, resource, api.description);
    this.#dispatch({ type: 'failed', reason: failure.reason, message, wasHealthy: this.#hasLasted() });
    const { status, failures } = this.#state;
    if (status === before.status && message === before.message) return;
    logger.warn({ cluster, kind: resource.kind, state: status, failures, reason: message }, 'source disturbed');
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { resource, api, settings, now } = this.#options;
    const items: ReadObject[] = [];
    const query: Record<string, string | number> = this.#state.usesPages ? { limit: settings.pageSize } : {};
    for (;;) {
      const body = await api.text(resource.path, query, settings.maxPageBytes, signal);
      const page = parseListPage(resource, body, now());
      // Not spread: an unpaged list may hold more items than a call takes arguments.
      for (const item of page.items) items.push(item);
      if (page.continueToken === '') return this.#replace(items, page.resourceVersion);
      query.continue = page.continueToken;
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { resource, api, settings, now } = this.#options;
    const chunks = await api.stream(resource.path, this.#watchQuery(), signal);
    this.#openedMs = performance.now();
    this.#dispatch({ type: 'opened' });
    const session = new WatchSession({
      resource,
      known: this.#known,
      hasInitialEvents: this.#state.read === 'watch-list',
      maxLineBytes: settings.maxLineBytes,
      now,
      replace: (items, resourceVersion) => this.#replace(items, resourceVersion),
      apply: async (changes, resourceVersion) => {
        if (changes.length > 0) await toSink(this.#options.sink.apply(changes));
        this.#dispatch({ type: 'advanced', resourceVersion });
      },
      skip: (event) => this.#skip(event),
    });
    const positionBefore = this.#state.resourceVersion;
    for await (const chunk of chunks) await session.push(chunk);
    const wasHealthy = this.#state.resourceVersion !== positionBefore || this.#hasLasted();
    this.#dispatch({ type: 'ended', wasHealthy });
  }

  #watchQuery(): Query {
    const { settings, random } = this.#options;
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      // At least a second: 0 would mean the server's own choice.
      timeoutSeconds: Math.max(1, Math.round((settings.watchTimeoutMs * (1 + random())) / 1000)),
    };
    return this.#state.read === 'watch-list'
      ? { ...query, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
      : { ...query, resourceVersion: this.#state.resourceVersion };
  }

  async #replace(items: Iterable<ReadObject>, resourceVersion: string): Promise<void> {
    const { cluster, resource, sink, logger } = this.#options;
    const objects: SourceObject[] = [];
    this.#known.clear();
    for (const item of items) {
      this.#known.take(item);
      if (item.type === 'object') objects.push(item.value);
      else this.#skip(item);
    }
    await toSink(sink.replace(resource.kind, objects));
    this.#dispatch({ type: 'synced', resourceVersion });
    const counts = { objects: this.#known.count, skipped: this.#known.skipped };
    logger.info({ cluster, kind: resource.kind, resourceVersion, ...counts }, 'complete list read');
  }

  #dispatch(event: ReflectorEvent): void {
    this.#state = transition(this.#state, event);
    this.#report();
  }

  #report(): void {
    const { cluster, resource, now } = this.#options;
    const { status, message, resourceVersion } = this.#state;
    const counts = { objects: this.#known.count, skipped: this.#known.skipped };
    const report: Omit<SourceStatus, 'sinceMs'> = {
      cluster,
      kind: resource.kind,
      state: status,
      message,
      ...counts,
      resourceVersion,
    };
    this.#status.update(report, now());
  }

  #skip(event: UnreadableObject): void {
    const { cluster, resource, logger } = this.#options;
    const fields = { cluster, kind: resource.kind, ...event.identity, reason: event.reason };
    logger.warn(fields, 'object skipped: it cannot be read');
  }

  /** The objects of a watch-list do not count: a stream is healthy when it follows, and goes on doing so. */
  #hasLasted(): boolean {
    if (this.#openedMs === undefined || this.#state.read !== 'watch') return false;
    return performance.now() - this.#openedMs >= this.#options.settings.healthyAfterMs;
  }
}

/** Marks what the sink threw, so that it is not taken for a fault of the connection. */
async function toSink(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    throw new ApiFailure('sink', `the objects could not be stored: ${errorText(error)}`, { cause: error });
  }
}

function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure('connection', `the connection to the API server failed: ${errorText(error)}`, { cause: error });
}
