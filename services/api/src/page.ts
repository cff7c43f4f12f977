/**
 * Pages over rows in a fixed order. The token of the next page holds the revision of the first one, so that all pages
 * together are one state, and the filters, so that it cannot be used with others.
 */
import { SignalboxError } from '@signalbox/contracts';
import { z } from 'zod';

/** Rows looked at for one page: a filter that few rows pass ends a page early rather than hold up everybody else. */
const MAX_SCANNED_ROWS = 5_000;
const CHUNK_ROWS = 250;

export interface PageToken {
  readonly revision: number;
  readonly filters: string;
  /** Of the last row whose items were all given. */
  readonly place: readonly string[];
  /** Items of the row after it that were given as well. */
  readonly skip: number;
}

const tokenSchema = z.tuple([z.int().min(0), z.string(), z.array(z.string()).max(3), z.int().min(0)]);

export function encodePageToken({ revision, filters, place, skip }: PageToken): string {
  return Buffer.from(JSON.stringify([revision, filters, place, skip])).toString('base64url');
}

/** Throws `invalid` for a token that is not one of ours, or that belongs to a request with other filters. */
export function decodePageToken(text: string, filters: string): PageToken {
  const token = readToken(text);
  if (token === undefined) throw new SignalboxError('invalid', 'next: not a token that this API has given out');
  const [revision, ownFilters, place, skip] = token;
  if (ownFilters !== filters) {
    throw new SignalboxError(
      'invalid',
      'next: the token is of a request with other filters; repeat them, or leave it out',
    );
  }
  return { revision, filters, place, skip };
}

/** The revision of the list that a token is of; undefined without one, or when it is not one of ours. */
export function pageRevision(text: string | undefined): number | undefined {
  return text === undefined ? undefined : readToken(text)?.[0];
}

function readToken(text: string): z.infer<typeof tokenSchema> | undefined {
  return tokenSchema.safeParse(parseJson(Buffer.from(text, 'base64url').toString('utf8'))).data;
}

export interface PageSource<Row, Item> {
  /** Rows after the place, in order. */
  readonly rowsAfter: (place: readonly string[] | undefined, limit: number) => readonly Row[];
  readonly placeOf: (row: Row) => readonly string[];
  /** None for a row that a filter leaves out. */
  readonly itemsOf: (row: Row) => readonly Item[];
}

export interface PageRequest {
  readonly revision: number;
  readonly filters: string;
  readonly limit: number;
  readonly start: Pick<PageToken, 'place' | 'skip'> | undefined;
}

/** May hold fewer items than the limit, even none, and still have a next page. */
export function readPage<Row, Item>(source: PageSource<Row, Item>, request: PageRequest) {
  const items: Item[] = [];
  let place = request.start?.place;
  let skip = request.start?.skip ?? 0;
  const { revision, filters, limit } = request;
  const page = (next: string | null) => ({ items, revision, next });
  for (let scanned = 0; scanned < MAX_SCANNED_ROWS; ) {
    // One more than fits shows whether there is a next page; a filter may need many more.
    const wanted = scanned === 0 ? Math.min(limit + 1, CHUNK_ROWS) : CHUNK_ROWS;
    const rows = source.rowsAfter(place, wanted);
    for (const row of rows) {
      const own = source.itemsOf(row).slice(skip);
      const room = limit - items.length;
      items.push(...own.slice(0, room));
      if (own.length > room) return page(encodePageToken({ revision, filters, place: place ?? [], skip: skip + room }));
      [place, skip, scanned] = [source.placeOf(row), 0, scanned + 1];
    }
    if (rows.length < wanted) return page(null);
  }
  return page(encodePageToken({ revision, filters, place: place ?? [], skip: 0 }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
