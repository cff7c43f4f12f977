/** One page of a list, its items cut down at once so that no page is held longer than it takes to read it. */
import { ApiFailure } from './api-failure.ts';
import { isRecord, metadataOf, type ReadObject, readObject, textOf } from './read-object.ts';
import type { KindResource } from './resources.ts';
import { parseJson } from './watch-event.ts';

export interface ListPage {
  readonly items: readonly ReadObject[];
  /** The same on every page of one list: a watch starts here. */
  readonly resourceVersion: string;
  /** Where the next page starts; empty on the last. */
  readonly continueToken: string;
}

export function parseListPage(resource: KindResource, body: string, nowMs: number): ListPage {
  const page = parseJson(body);
  const metadata = metadataOf(page);
  const resourceVersion = textOf(metadata.resourceVersion);
  if (!isRecord(page) || !isItems(page.items) || resourceVersion === '') {
    throw new ApiFailure(
      'unreadable',
      `${resource.path} did not answer with a list: ${JSON.stringify(body.slice(0, 80))}`,
    );
  }
  return {
    items: (page.items ?? []).map((item) => readObject(resource, item, nowMs)),
    resourceVersion,
    continueToken: textOf(metadata.continue),
  };
}

/** Null is Go's empty slice. A body without items is no list: taking it for an empty one would delete everything. */
function isItems(items: unknown): items is unknown[] | null {
  return Array.isArray(items) || items === null;
}
