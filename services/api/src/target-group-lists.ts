/**
 * Lists of target groups as the bytes that are sent. A large class is megabytes, and all of its controllers wait for the
 * same change: what is told of a Service is written once for each of its indexes, the whole list once for each index of
 * the class. What is told of a Service is a view into the newest list of its class, so nothing is held twice.
 */
import type { ServiceKey } from '@signalbox/contracts';
import {
  listTargetGroupSetKeys,
  type Store,
  streamLogId,
  type TargetGroupFilter,
  targetGroupSet,
  targetsIndex,
} from '@signalbox/store';
import { itemsOfSet } from './target-group-views.ts';

/** Lists are kept up to this; the newest one always is. */
const MAX_KEPT_BYTES = 128 * 1024 ** 2;

/** What is told of one Service: its items, separated by commas; empty where it has no group. */
interface Part {
  readonly key: ServiceKey;
  readonly index: number;
  readonly bytes: Buffer;
}

interface List {
  readonly logId: string;
  readonly index: number;
  readonly body: Buffer<ArrayBuffer>;
  readonly parts: readonly Part[];
}

export class TargetGroupLists {
  readonly #store: Store;
  /** By class, the one that was asked for last at the end. */
  readonly #kept = new Map<string, List>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** A `TargetGroupList` as JSON, of the class as it is now. Not to be written to. */
  json({ loadBalancerClass = '', cluster, namespace, name }: TargetGroupFilter): Buffer<ArrayBuffer> {
    const list = this.#newest(loadBalancerClass);
    if (cluster === undefined && namespace === undefined && name === undefined) return list.body;
    const isMeant = ({ key }: Part): boolean =>
      (cluster ?? key.cluster) === key.cluster &&
      (namespace ?? key.namespace) === key.namespace &&
      (name ?? key.name) === key.name;
    return joined(list.index, list.parts.filter(isMeant)).body;
  }

  #newest(loadBalancerClass: string): List {
    const [logId, index] = [streamLogId(this.#store, 'targets'), targetsIndex(this.#store, loadBalancerClass)];
    const kept = this.#kept.get(loadBalancerClass);
    const before = kept?.logId === logId ? kept : undefined;
    const list = before?.index === index ? before : { logId, ...joined(index, this.#parts(loadBalancerClass, before)) };
    this.#keep(loadBalancerClass, list);
    return list;
  }

  #parts(loadBalancerClass: string, before: List | undefined): Part[] {
    const known = new Map(before?.parts.map((part) => [part.index, part]));
    return listTargetGroupSetKeys(this.#store, loadBalancerClass).map(({ index, ...key }) => {
      // An index is of one message, and that of one Service.
      const part = known.get(index);
      if (part !== undefined) return part;
      const stored = targetGroupSet(this.#store, { loadBalancerClass, ...key });
      const items = stored === undefined ? [] : itemsOfSet(stored);
      return { key, index, bytes: Buffer.from(items.map((item) => JSON.stringify(item)).join(',')) };
    });
  }

  #keep(loadBalancerClass: string, list: List): void {
    this.#kept.delete(loadBalancerClass);
    this.#kept.set(loadBalancerClass, list);
    let bytes = [...this.#kept.values()].reduce((sum, { body }) => sum + body.length, 0);
    for (const [name, { body }] of this.#kept) {
      if (bytes <= MAX_KEPT_BYTES || name === loadBalancerClass) return;
      this.#kept.delete(name);
      bytes -= body.length;
    }
  }
}

const COMMA = Buffer.from(',');
const END = Buffer.from(']}');

/** The list, and its parts as views into it. */
function joined(index: number, parts: readonly Part[]): Omit<List, 'logId'> {
  const chunks: Buffer[] = [Buffer.from(`{"index":${index},"items":[`)];
  const places: number[] = [];
  let length = chunks[0]?.length ?? 0;
  const add = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
  };
  let isFirst = true;
  for (const { bytes } of parts) {
    if (bytes.length > 0 && !isFirst) add(COMMA);
    places.push(length);
    add(bytes);
    isFirst &&= bytes.length === 0;
  }
  add(END);
  const body = Buffer.concat(chunks);
  const views = parts.map((part, i) => {
    const begin = places[i] ?? 0;
    return { ...part, bytes: body.subarray(begin, begin + part.bytes.length) };
  });
  return { index, body, parts: views };
}
