/** A list request from its query to its page. */
import { SignalboxError } from '@signalbox/contracts';
import type { Place, Store } from '@signalbox/store';
import type { Context } from 'hono';
import { decodePageToken, type PageSource, readPage } from './page.ts';
import { answeredAt } from './revision-gate.ts';
import { readState, type State } from './state.ts';

export interface ListQuery {
  readonly limit: number;
  readonly next?: string | undefined;
  readonly revision?: number | undefined;
}

export interface ListRequest {
  readonly c: Context;
  readonly store: Store;
  readonly query: ListQuery;
}

type Filters = readonly (string | undefined)[];

/** The source is asked for once the revision is known: the first page's, on all pages. */
export function answerList<Row, Item>(
  { c, store, query }: ListRequest,
  filters: Filters,
  sourceAt: (state: State) => PageSource<Row, Item>,
) {
  const { limit, start, requested, filterText } = readListQuery(query, filters);
  const state = readState(store, requested);
  answeredAt(c, state.revision);
  return readPage(sourceAt(state), { revision: state.revision, filters: filterText, limit, start });
}

export function readListQuery(query: ListQuery, filters: Filters) {
  const filterText = JSON.stringify(filters.map((filter) => filter ?? null));
  const start = query.next === undefined ? undefined : decodePageToken(query.next, filterText);
  if (start !== undefined && query.revision !== undefined && query.revision !== start.revision) {
    throw new SignalboxError('invalid', `revision: the token is of a list at revision ${start.revision}`);
  }
  return { limit: query.limit, start, requested: start?.revision ?? query.revision, filterText };
}

/** Of rows ordered by cluster, namespace and name. An empty array is the place before the first row. */
export function toPlace(place: readonly string[] | undefined): Place | undefined {
  const [cluster, namespace = '', name = ''] = place ?? [];
  return cluster === undefined ? undefined : { cluster, namespace, name };
}
