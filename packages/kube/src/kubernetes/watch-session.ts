/**
 * One open watch: lines in, calls to the sink out. Two phases:
 *
 *     initial    only for a watch-list: objects are gathered until the bookmark that ends them, then replace the sink's
 *     following  changes go to the sink, those of one chunk in one call
 *
 * A stream that ends in the first phase leaves the sink as it was.
 */

import type { SourceChange } from '../source.ts';
import { ApiFailure, failureOfStatus } from './api-failure.ts';
import type { KnownObjects } from './known-objects.ts';
import type { ReadObject } from './read-object.ts';
import type { KindResource } from './resources.ts';
import { LineSplitter } from './split-lines.ts';
import { parseWatchEvent, type WatchEvent } from './watch-event.ts';

export interface WatchSessionOptions {
  readonly resource: KindResource;
  readonly known: KnownObjects;
  readonly hasInitialEvents: boolean;
  readonly maxLineBytes: number;
  readonly now: () => number;
  /** The initial events are complete: the whole list of the kind. */
  readonly replace: (items: Iterable<ReadObject>, resourceVersion: string) => Promise<void>;
  /** Changes since the last call, possibly none, and the position after them, where the server named one. */
  readonly apply: (changes: readonly SourceChange[], resourceVersion: string) => Promise<void>;
  readonly skip: (event: Extract<WatchEvent, { type: 'unreadable' }>) => void;
}

export class WatchSession {
  readonly #options: WatchSessionOptions;
  readonly #lines: LineSplitter;
  #initial: Map<string, ReadObject> | undefined;
  #changes: SourceChange[] = [];
  #position = '';

  constructor(options: WatchSessionOptions) {
    this.#options = options;
    this.#lines = new LineSplitter(options.maxLineBytes);
    this.#initial = options.hasInitialEvents ? new Map() : undefined;
  }

  /** Resolves when the sink has taken what this chunk completed. Rejects at an ERROR event, after what came before it. */
  async push(chunk: Buffer): Promise<void> {
    const { resource, now } = this.#options;
    const nowMs = now();
    for (const line of this.#lines.push(chunk)) {
      const event = parseWatchEvent(resource, line, nowMs);
      if (event.type === 'error') {
        await this.#flush();
        throw failureOfStatus(event.status, { code: 500, message: 'the watch ended with an error' });
      }
      if (this.#initial === undefined) this.#follow(event);
      else await this.#gather(this.#initial, event);
    }
    await this.#flush();
  }

  async #gather(initial: Map<string, ReadObject>, event: Exclude<WatchEvent, { type: 'error' }>): Promise<void> {
    switch (event.type) {
      case 'object':
      case 'unreadable':
        initial.set(event.identity === undefined ? `nameless ${initial.size}` : keyOf(event.identity), event);
        return;
      case 'deleted':
        initial.delete(keyOf(event.identity));
        return;
      case 'bookmark':
        // A server that knows watch-lists sends no other bookmark before this one; one that does not would never end.
        if (!event.endsInitialEvents) throw new ApiFailure('rejected', 'the API server does not know watch-lists');
        this.#initial = undefined;
        await this.#options.replace(initial.values(), event.resourceVersion);
    }
  }

  #follow(event: Exclude<WatchEvent, { type: 'error' }>): void {
    const version = event.type === 'object' ? event.value.resourceVersion : event.resourceVersion;
    if (version !== '') this.#position = version;
    if (event.type === 'bookmark') return;
    if (event.type === 'unreadable') this.#options.skip(event);
    const change = this.#options.known.take(event);
    if (change !== undefined) this.#changes.push(change);
  }

  async #flush(): Promise<void> {
    const changes = this.#changes;
    const position = this.#position;
    if (changes.length === 0 && position === '') return;
    this.#changes = [];
    this.#position = '';
    await this.#options.apply(changes, position);
  }
}

function keyOf(identity: { namespace: string; name: string }): string {
  return `${identity.namespace}/${identity.name}`;
}
