/** What the sink holds of one kind, by name and version only: enough to count, and to drop what came twice or late. */
import type { SourceKind } from '@signalbox/contracts';
import type { SourceChange } from '../source.ts';
import type { ReadObject, UnreadableObject } from './read-object.ts';
import type { WatchEvent } from './watch-event.ts';

/** Deletions remembered, so that an older event of the same object that arrives late does not bring it back. */
const MAX_REMEMBERED_DELETIONS = 1024;

type ObjectEvent = ReadObject | Extract<WatchEvent, { type: 'deleted' }>;

export class KnownObjects {
  readonly #kind: SourceKind;
  #versions = new Map<string, string>();
  #deletions = new Map<string, string>();
  #unreadable = new Set<string>();
  #nameless = 0;

  constructor(kind: SourceKind) {
    this.#kind = kind;
  }

  get count(): number {
    return this.#versions.size;
  }

  /** Objects that exist and could not be read, and events since the last list that could not be told apart from noise. */
  get skipped(): number {
    return this.#unreadable.size + this.#nameless;
  }

  clear(): void {
    this.#versions.clear();
    this.#deletions.clear();
    this.#unreadable.clear();
    this.#nameless = 0;
  }

  /**
   * What the sink has to be told, if anything. An object that can no longer be read is deleted from the sink: keeping
   * its last readable version would make the state depend on when the source was started.
   */
  take(event: ObjectEvent): SourceChange | undefined {
    if (event.identity === undefined) {
      this.#nameless += 1;
      return undefined;
    }
    const key = `${event.identity.namespace}/${event.identity.name}`;
    const version = event.type === 'object' ? event.value.resourceVersion : event.resourceVersion;
    if (this.#isStale(key, version)) return undefined;
    if (event.type === 'object') {
      this.#keep(key, version);
      return { type: 'upsert', ...event.value };
    }
    this.#forget(key, event, version);
    return { type: 'delete', kind: this.#kind, ...event.identity };
  }

  #keep(key: string, version: string): void {
    this.#versions.set(key, version);
    this.#unreadable.delete(key);
    this.#deletions.delete(key);
  }

  #forget(key: string, event: UnreadableObject | { type: 'deleted' }, version: string): void {
    this.#versions.delete(key);
    if (event.type === 'unreadable') this.#unreadable.add(key);
    else this.#unreadable.delete(key);
    this.#deletions.delete(key);
    this.#deletions.set(key, version);
    const [oldest] = this.#deletions.keys();
    if (this.#deletions.size > MAX_REMEMBERED_DELETIONS && oldest !== undefined) this.#deletions.delete(oldest);
  }

  #isStale(key: string, version: string): boolean {
    const known = this.#versions.get(key) ?? this.#deletions.get(key);
    return known !== undefined && isNotNewer(version, known);
  }
}

/** Versions of one resource of one server are decimal numbers that grow (KEP-5504); of anything else, nothing is known. */
function isNotNewer(version: string, known: string): boolean {
  if (!/^[1-9]\d*$/.test(version) || !/^[1-9]\d*$/.test(known)) return false;
  return version.length === known.length ? version <= known : version.length < known.length;
}
