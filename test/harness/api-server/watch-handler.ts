/** Watches: from a version, or from the initial objects, then whatever changes, until a timeout or a cut. */
import type { ServerResponse } from 'node:http';
import type { SourceKind } from '@signalbox/contracts';
import {
  bookmarkLine,
  eventLine,
  type StatusAnswer,
  tooOldStatus,
  versionAhead,
  watchListRefused,
} from './api-bodies.ts';
import type { Fault } from './faults.ts';
import { FaultyBody, send } from './faulty-body.ts';
import type { KindInfo } from './kinds.ts';
import type { ObjectStore } from './object-store.ts';

export interface WatchHandlerOptions {
  readonly store: ObjectStore;
  readonly watchLists: 'served' | 'refused' | 'ignored';
  /** Undefined for none but those that a test asks for. */
  readonly bookmarkIntervalMs: number | undefined;
}

interface OpenWatch {
  readonly info: KindInfo;
  readonly body: FaultyBody;
  readonly response: ServerResponse;
}

export class WatchHandler {
  readonly #options: WatchHandlerOptions;
  readonly #open = new Set<OpenWatch>();

  constructor(options: WatchHandlerOptions) {
    this.#options = options;
  }

  count(kind: SourceKind): number {
    return [...this.#open].filter((watch) => watch.info.kind === kind).length;
  }

  /** Sends a line as it is to the open watches of a kind. */
  send(kind: SourceKind, line: string): void {
    for (const watch of this.#open) if (watch.info.kind === kind) watch.body.write(line);
  }

  bookmark(kind: SourceKind): void {
    for (const watch of this.#open) {
      if (watch.info.kind === kind) watch.body.write(bookmarkLine(watch.info, this.#options.store.version, false));
    }
  }

  /** Breaks the connections of a kind's open watches. */
  cut(kind: SourceKind): void {
    for (const watch of this.#open) if (watch.info.kind === kind) watch.response.destroy();
  }

  answer(info: KindInfo, query: URLSearchParams, response: ServerResponse, fault: Fault | undefined): void {
    const refused = this.#refuse(query);
    if (refused === undefined) this.#begin(info, query, response, fault);
    else send(response, refused);
  }

  #refuse(query: URLSearchParams): StatusAnswer | undefined {
    const { store, watchLists } = this.#options;
    const isWatchList = query.get('sendInitialEvents') === 'true' && watchLists !== 'ignored';
    const isValid = query.get('resourceVersionMatch') === 'NotOlderThan' && watchLists === 'served';
    if (isWatchList && !isValid) return watchListRefused();
    const from = positionOf(query);
    return from > store.version ? versionAhead(from, store.version) : undefined;
  }

  #begin(info: KindInfo, query: URLSearchParams, response: ServerResponse, fault: Fault | undefined): void {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    const body = new FaultyBody(response, fault);
    const from = positionOf(query);
    if (fault?.type === 'error-event') body.write(eventLine('ERROR', fault.status));
    else if (from === 0) this.#sendInitialEvents(info, body, query);
    else if (!this.#sendMissed(info, body, from)) return;
    this.#follow({ info, body, response }, Number(query.get('timeoutSeconds') ?? 0));
  }

  /** Without sendInitialEvents a watch from nowhere begins with all objects too, but nothing says where they end. */
  #sendInitialEvents(info: KindInfo, body: FaultyBody, query: URLSearchParams): void {
    const { store, watchLists } = this.#options;
    const isWatchList = query.get('sendInitialEvents') === 'true' && watchLists === 'served';
    for (const object of store.list(info.kind)) body.event(eventLine('ADDED', object));
    if (isWatchList) body.write(bookmarkLine(info, store.version, true));
  }

  #sendMissed(info: KindInfo, body: FaultyBody, from: number): boolean {
    const { store } = this.#options;
    const missed = store.since(info.kind, from);
    for (const event of missed ?? []) body.event(eventLine(event.type, event.object));
    if (missed !== undefined) return true;
    body.write(eventLine('ERROR', tooOldStatus(from, store.compactedAt)));
    body.end();
    return false;
  }

  #follow(watch: OpenWatch, timeoutSeconds: number): void {
    const { store, bookmarkIntervalMs } = this.#options;
    const { info, body, response } = watch;
    this.#open.add(watch);
    const unwatch = store.watch((event) => {
      if (event.object.kind === info.kind) body.event(eventLine(event.type, event.object));
    });
    const bookmark = () => body.write(bookmarkLine(info, store.version, false));
    const bookmarks = bookmarkIntervalMs === undefined ? undefined : setInterval(bookmark, bookmarkIntervalMs);
    const timeout = timeoutSeconds > 0 ? setTimeout(() => body.end(), timeoutSeconds * 1000) : undefined;
    response.once('close', () => {
      unwatch();
      clearInterval(bookmarks);
      clearTimeout(timeout);
      this.#open.delete(watch);
    });
  }
}

function positionOf(query: URLSearchParams): number {
  return Number(query.get('resourceVersion') ?? 0);
}
