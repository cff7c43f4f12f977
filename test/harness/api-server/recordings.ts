/** The recordings of kube-apiserver 1.36 in test/fixtures, as objects and as events to play again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceKind } from '@signalbox/contracts';
import { ROOT } from '../root.ts';
import type { ApiServer } from './api-server.ts';
import { KINDS } from './kinds.ts';
import type { ApiObject } from './object-store.ts';

const FOLDER = join(ROOT, 'test/fixtures/kubernetes-1.36');

/** Text of a recording, for example `lists/services.json`. */
export function recording(path: string): string {
  return readFileSync(join(FOLDER, path), 'utf8');
}

export interface RecordedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: ApiObject;
}

export function recordedObjects(kind: SourceKind): ApiObject[] {
  const { resource, apiVersion } = KINDS[kind];
  const list = JSON.parse(recording(`lists/${resource}.json`)) as { items: ApiObject[] };
  return list.items.map((item) => ({ ...item, kind, apiVersion }));
}

/** The lines of a recorded watch-list. */
export function recordedEvents(kind: 'Service' | 'EndpointSlice' | 'Node'): RecordedEvent[] {
  const lines = recording(`watch/${KINDS[kind].resource}-watchlist.jsonl`).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as RecordedEvent);
}

/** Puts recorded objects and changes into a server under their recorded versions. */
export function play(server: ApiServer, events: readonly RecordedEvent[]): void {
  for (const { type, object } of events) {
    const version = Number(object.metadata.resourceVersion);
    if (type === 'BOOKMARK') server.advanceTo(version);
    else if (type === 'DELETED') server.delete({ ...object.metadata, kind: object.kind }, version);
    else server.put(object, version);
  }
}
