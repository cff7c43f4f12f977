import { describe, expect, test } from 'vitest';
import { parseListPage } from './list-page.ts';
import { KIND_RESOURCES } from './resources.ts';

function parse(page: unknown) {
  return parseListPage(KIND_RESOURCES.Namespace, JSON.stringify(page), 0);
}

test('items get the kind that the list left out', () => {
  const page = parse({ metadata: { resourceVersion: '9', continue: 'more' }, items: [{ metadata: { name: 'shop' } }] });
  expect(page).toMatchObject({
    resourceVersion: '9',
    continueToken: 'more',
    items: [{ type: 'object', value: { object: { kind: 'Namespace', metadata: { name: 'shop' } } } }],
  });
});

test("null is an empty list, as Go's encoder writes it", () => {
  expect(parse({ metadata: { resourceVersion: '9' }, items: null })).toMatchObject({ items: [], continueToken: '' });
});

describe('what is no list is never taken for an empty one', () => {
  test.for([
    { name: 'no items', page: { metadata: { resourceVersion: '9' } } },
    { name: 'no version to watch from', page: { metadata: {}, items: [] } },
    { name: 'a status', page: { kind: 'Status', metadata: {}, message: 'no' } },
    { name: 'a text', page: 'welcome to the proxy' },
  ])('$name', ({ page }) => {
    expect(() => parse(page)).toThrow('/api/v1/namespaces did not answer with a list');
  });
});
