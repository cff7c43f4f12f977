import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePageToken, encodePageToken, type PageSource, readPage } from './page.ts';

interface Row {
  readonly name: string;
  readonly items: readonly number[];
}

function sourceOf(rows: readonly Row[]): PageSource<Row, number> {
  return {
    rowsAfter: (place, limit) => rows.filter(({ name }) => name > (place?.[0] ?? '')).slice(0, limit),
    placeOf: ({ name }) => [name],
    itemsOf: ({ items }) => items,
  };
}

test('pages together hold every item once, in order, and none more than its limit', () => {
  const itemCounts = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 600 });
  fc.assert(
    fc.property(itemCounts, fc.integer({ min: 1, max: 7 }), (counts, limit) => {
      let item = 0;
      const rows = counts.map((count, index) => ({
        name: String(index).padStart(4, '0'),
        items: Array.from({ length: count }, () => item++),
      }));
      const seen: number[] = [];
      for (let start: { place: readonly string[]; skip: number } | undefined, done = false; !done; ) {
        const page = readPage(sourceOf(rows), { revision: 3, filters: 'f', limit, start });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        seen.push(...page.items);
        done = page.next === null;
        if (page.next !== null) start = decodePageToken(page.next, 'f');
      }
      expect(seen).toEqual(rows.flatMap((row) => row.items));
    }),
    { numRuns: 50 },
  );
});

test('a filter that nothing passes ends a page early, and the next one goes on', () => {
  const rows = Array.from({ length: 12_000 }, (_, index) => ({ name: String(index).padStart(6, '0'), items: [] }));
  let reads = 0;
  const source = sourceOf(rows);
  const counting = {
    ...source,
    rowsAfter: (place: readonly string[] | undefined, limit: number) => {
      reads += limit;
      return source.rowsAfter(place, limit);
    },
  };
  const page = readPage(counting, { revision: 1, filters: '', limit: 10, start: undefined });
  expect(page.items).toEqual([]);
  expect(page.next).not.toBeNull();
  expect(reads).toBeLessThan(5_500);
});

test.for(['', 'x', 'eyJ9', Buffer.from('[1,"",["a","b","c","d"],0]').toString('base64url')])(
  'the token %j is refused',
  (token) => {
    expect(() => decodePageToken(token, '')).toThrow(/^next: /);
  },
);

test('a token is of one request', () => {
  const token = encodePageToken({ revision: 4, filters: 'a', place: ['x'], skip: 2 });
  expect(decodePageToken(token, 'a')).toEqual({ revision: 4, filters: 'a', place: ['x'], skip: 2 });
  expect(() => decodePageToken(token, 'b')).toThrow(/other filters/);
});
