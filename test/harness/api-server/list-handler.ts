/** Lists, whole or in pages that all show the state in which the first one was read. */
import { continueExpired, continueToken, listBody, type PageMetadata, type StatusAnswer } from './api-bodies.ts';
import type { KindInfo } from './kinds.ts';
import type { ApiObject, ObjectStore } from './object-store.ts';

const MAX_OPEN_LISTS = 32;

export class ListHandler {
  readonly #store: ObjectStore;
  readonly #openLists = new Map<string, readonly ApiObject[]>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Every list in pages is too old from here on. */
  expire(): void {
    this.#openLists.clear();
  }

  answer(info: KindInfo, query: URLSearchParams): StatusAnswer {
    const limit = Number(query.get('limit') ?? 0) || Number.POSITIVE_INFINITY;
    const token = query.get('continue');
    if (token === null) return this.#page(info, this.#store.version, this.#store.list(info.kind), limit);
    const { rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString()) as { rv: number; start: string };
    const items = this.#openLists.get(`${info.kind} ${rv}`);
    if (items === undefined) return continueExpired(start);
    const next = items.findIndex((item) => pathOf(item) > start);
    return this.#page(info, rv, next === -1 ? [] : items.slice(next), limit);
  }

  #page(info: KindInfo, version: number, items: readonly ApiObject[], limit: number): StatusAnswer {
    const page = items.slice(0, limit);
    const last = page.at(-1);
    const metadata: PageMetadata = { resourceVersion: String(version) };
    if (last === undefined || page.length === items.length) return ok(listBody(info, page, metadata));
    this.#remember(`${info.kind} ${version}`, items);
    const next = continueToken(version, `${pathOf(last)}\0`);
    return ok(listBody(info, page, { ...metadata, continue: next, remainingItemCount: items.length - page.length }));
  }

  /** The first page's rest holds those of the later pages as well. */
  #remember(key: string, items: readonly ApiObject[]): void {
    if (this.#openLists.has(key)) return;
    this.#openLists.set(key, items);
    const [oldest] = this.#openLists.keys();
    if (this.#openLists.size > MAX_OPEN_LISTS && oldest !== undefined) this.#openLists.delete(oldest);
  }
}

function pathOf(object: ApiObject): string {
  return `/${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

function ok(body: string): StatusAnswer {
  return { code: 200, contentType: 'application/json', body, headers: {} };
}
