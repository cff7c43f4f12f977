/** One line of a watch, typed. Never throws: what cannot be read is an event of its own. */
import {
  identityOf,
  isRecord,
  metadataOf,
  type ObjectIdentity,
  type ReadObject,
  readObject,
  textOf,
} from './read-object.ts';
import type { KindResource } from './resources.ts';

export type WatchEvent =
  | ReadObject
  | { readonly type: 'deleted'; readonly identity: ObjectIdentity; readonly resourceVersion: string }
  /** Everything up to `resourceVersion` was sent; `endsInitialEvents` closes the initial list of a watch-list (KEP-3157). */
  | { readonly type: 'bookmark'; readonly resourceVersion: string; readonly endsInitialEvents: boolean }
  | { readonly type: 'error'; readonly status: unknown };

const INITIAL_EVENTS_END_ANNOTATION = 'k8s.io/initial-events-end';

export function parseWatchEvent(resource: KindResource, line: string, nowMs: number): WatchEvent {
  const event = parseJson(line);
  if (!isRecord(event)) return unreadable('the line is not a JSON object');
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
      return readObject(resource, event.object, nowMs);
    case 'DELETED':
      return readDeletion(resource, event.object);
    case 'BOOKMARK':
      return readBookmark(event.object);
    case 'ERROR':
      return { type: 'error', status: event.object };
    default:
      return unreadable(`the event type ${JSON.stringify(event.type)} is unknown`);
  }
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Only the name matters, so an object that cannot be read otherwise is still deleted. */
function readDeletion(resource: KindResource, object: unknown): WatchEvent {
  const metadata = metadataOf(object);
  const identity = identityOf(metadata);
  const isOfKind = isRecord(object) && object.kind === resource.kind;
  if (!isOfKind || identity === undefined) return unreadable(`a DELETED event without the name of a ${resource.kind}`);
  return { type: 'deleted', identity, resourceVersion: textOf(metadata.resourceVersion) };
}

function readBookmark(object: unknown): WatchEvent {
  const metadata = metadataOf(object);
  const resourceVersion = textOf(metadata.resourceVersion);
  if (resourceVersion === '') return unreadable('a bookmark without resourceVersion');
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  return {
    type: 'bookmark',
    resourceVersion,
    endsInitialEvents: annotations[INITIAL_EVENTS_END_ANNOTATION] === 'true',
  };
}

function unreadable(reason: string): WatchEvent {
  return { type: 'unreadable', identity: undefined, resourceVersion: '', reason };
}
