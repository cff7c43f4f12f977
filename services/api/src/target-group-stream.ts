/**
 * One client that follows the target groups of a class. It is pulled: nothing is made for a client that does not read, so a
 * slow one costs a timer, and what it gets next is the newest state of what changed meanwhile.
 */
import type { TargetGroupItem } from '@signalbox/contracts';
import { type Store, targetGroupSet, targetsIndex } from '@signalbox/store';
import type { TargetGroupLists } from './target-group-lists.ts';
import { itemsOfSet } from './target-group-views.ts';
import type { TargetGroupWatch } from './target-group-watch.ts';

/** A comment then keeps proxies from closing the connection. */
const HEARTBEAT_MS = 15_000;

export interface TargetGroupStreamOptions {
  readonly store: Store;
  readonly watch: TargetGroupWatch;
  readonly lists: TargetGroupLists;
  readonly loadBalancerClass: string;
}

export class TargetGroupStream {
  readonly #options: TargetGroupStreamOptions;
  readonly #abort = new AbortController();
  #index: number | undefined;

  constructor(options: TargetGroupStreamOptions) {
    this.#options = options;
  }

  /** Goes on after an index where that is known, else from all there is. */
  open(after: number | undefined): ReadableStream<Uint8Array> {
    this.#index = after;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => controller.enqueue(Buffer.from('retry: 2000\n\n')),
        pull: async (controller) => {
          const event = await this.#next();
          if (this.#options.watch.isClosed) controller.close();
          else controller.enqueue(event);
        },
        cancel: () => this.#abort.abort(),
      },
      { highWaterMark: 1 },
    );
  }

  async #next(): Promise<Buffer> {
    const { watch, loadBalancerClass } = this.#options;
    if (this.#index === undefined) return this.#snapshot();
    await watch.wait({ loadBalancerClass, after: this.#index, waitMs: HEARTBEAT_MS, signal: this.#abort.signal });
    const changed = watch.changedAfter(loadBalancerClass, this.#index);
    const newest = targetsIndex(this.#options.store, loadBalancerClass);
    if (changed === undefined || newest < this.#index) return this.#snapshot();
    if (changed.length === 0) return Buffer.from(':\n\n');
    this.#index = newest;
    return Buffer.concat(changed.map((key) => this.#change(key, newest)));
  }

  #snapshot(): Buffer {
    const { store, lists, loadBalancerClass } = this.#options;
    this.#index = targetsIndex(store, loadBalancerClass);
    return encode('snapshot', this.#index, lists.json({ loadBalancerClass }));
  }

  #change(key: { cluster: string; namespace: string; name: string }, index: number): Buffer {
    const { store, loadBalancerClass } = this.#options;
    const { name: service, ...place } = key;
    const stored = targetGroupSet(store, { ...key, loadBalancerClass });
    const items: TargetGroupItem[] = stored === undefined ? [] : itemsOfSet(stored);
    return encode('change', index, Buffer.from(JSON.stringify({ index, ...place, service, items })));
  }
}

function encode(event: string, index: number, json: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`id: ${index}\nevent: ${event}\ndata: `), json, Buffer.from('\n\n')]);
}
