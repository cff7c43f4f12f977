/** Objects in memory with resourceVersions, a history of changes, and lists as of an earlier version: a small etcd. */
import type { SourceKind } from '@signalbox/contracts';

/** A whole object, as the API has it. */
export interface ApiObject {
  readonly kind: SourceKind;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface ObjectRef {
  readonly kind: SourceKind;
  readonly namespace?: string;
  readonly name: string;
}

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resourceVersion: number;
  readonly object: ApiObject;
}

export class ObjectStore {
  #version = 1;
  /** Watches from before this version, and pages of lists from before it, are gone. */
  #compactedAt = 0;
  readonly #historyLimit: number;
  readonly #objects = new Map<string, ApiObject>();
  #history: StoreEvent[] = [];
  readonly #watchers = new Set<(event: StoreEvent) => void>();

  constructor(historyLimit: number) {
    this.#historyLimit = historyLimit;
  }

  get version(): number {
    return this.#version;
  }

  get compactedAt(): number {
    return this.#compactedAt;
  }

  /** `resourceVersion` replays a recording; without it the version grows by one. */
  put(object: ApiObject, resourceVersion = this.#version + 1): ApiObject {
    const key = keyOf({ kind: object.kind, ...object.metadata });
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    const stored = withVersion(object, resourceVersion);
    this.#objects.set(key, stored);
    this.#append({ type, resourceVersion, object: stored });
    return stored;
  }

  /** The last state, or undefined if there was none. */
  delete(ref: ObjectRef, resourceVersion = this.#version + 1): ApiObject | undefined {
    const key = keyOf(ref);
    const last = this.#objects.get(key);
    if (last === undefined) return undefined;
    this.#objects.delete(key);
    this.#append({ type: 'DELETED', resourceVersion, object: withVersion(last, resourceVersion) });
    return last;
  }

  /** Sets the version that lists and bookmarks name, as other writes in a real cluster do. */
  advanceTo(version: number): void {
    this.#version = Math.max(this.#version, version);
  }

  /** In the order of etcd's keys. */
  list(kind: SourceKind): ApiObject[] {
    return [...this.#objects]
      .filter(([, object]) => object.kind === kind)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  /** Changes after a version, oldest first; undefined when they are no longer all there. */
  since(kind: SourceKind, version: number): StoreEvent[] | undefined {
    if (version < this.#compactedAt) return undefined;
    return this.#history.filter((event) => event.object.kind === kind && event.resourceVersion > version);
  }

  watch(listener: (event: StoreEvent) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  /** Forgets the history up to now: every earlier version is too old. */
  compact(): void {
    this.#history = [];
    this.#compactedAt = this.#version;
  }

  #append(event: StoreEvent): void {
    this.advanceTo(event.resourceVersion);
    this.#history.push(event);
    while (this.#history.length > this.#historyLimit) {
      this.#compactedAt = this.#history.shift()?.resourceVersion ?? this.#compactedAt;
    }
    for (const watcher of this.#watchers) watcher(event);
  }
}

function keyOf(ref: { kind: SourceKind; namespace?: string; name: string }): string {
  return `${ref.kind}/${ref.namespace ?? ''}/${ref.name}`;
}

/** In place of the old version where there was one, so that the order of fields stays that of the recording. */
function withVersion(object: ApiObject, resourceVersion: number): ApiObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(resourceVersion) } };
}
