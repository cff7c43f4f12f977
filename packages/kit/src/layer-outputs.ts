/**
 * What one worker has published, by content hash, and what follows from a new derivation: publish, withdraw, or nothing.
 * Holds hashes, not documents, so that its memory is small beside the index.
 */
import { createHash } from 'node:crypto';
import {
  type Derivation,
  type DerivedMessage,
  derivedSubject,
  type Layer,
  partitionOf,
  type ServiceKey,
  serviceKeyText,
} from '@signalbox/contracts';
import type { AppendEntry } from '@signalbox/event-log';
import type { ChangeMark } from './change-mark.ts';

export interface PublishedDocument {
  readonly key: ServiceKey;
  readonly contentHash: string;
  readonly revision: number;
}

export class LayerOutputs {
  readonly #layer: Layer;
  readonly #published = new Map<string, PublishedDocument>();
  /** Services whose derivation failed or left something out, now. */
  readonly #skipped = new Map<string, ServiceKey>();

  constructor(layer: Layer) {
    this.#layer = layer;
  }

  get skippedServices(): number {
    return this.#skipped.size;
  }

  get size(): number {
    return this.#published.size;
  }

  /** Takes over what the log holds already; used at start and by the slow full check. */
  restore(entries: Iterable<PublishedDocument>): void {
    this.#published.clear();
    for (const entry of entries) this.#published.set(serviceKeyText(entry.key), entry);
  }

  /** The same for some partitions only; what is known of the others stays. */
  restorePartitions(partitions: ReadonlySet<string>, entries: Iterable<PublishedDocument>): void {
    this.forgetPartitions(partitions);
    for (const entry of entries) this.#published.set(serviceKeyText(entry.key), entry);
  }

  /** They are another's from here on. */
  forgetPartitions(partitions: ReadonlySet<string>): void {
    for (const [text, { key }] of this.#published) {
      if (partitions.has(partitionOf(key.namespace, key.name))) this.#published.delete(text);
    }
    for (const [text, key] of this.#skipped) {
      if (partitions.has(partitionOf(key.namespace, key.name))) this.#skipped.delete(text);
    }
  }

  publishedKeys(): ServiceKey[] {
    return [...this.#published.values()].map((entry) => entry.key);
  }

  noteFailure(key: ServiceKey): void {
    this.#skipped.set(serviceKeyText(key), key);
  }

  /** The message to append, or undefined when the log holds this content already. */
  plan(key: ServiceKey, derivation: Derivation<unknown> | undefined, mark: ChangeMark): AppendEntry | undefined {
    const text = serviceKeyText(key);
    const skipped = derivation?.skipped ?? [];
    if (skipped.length > 0) this.#skipped.set(text, key);
    else this.#skipped.delete(text);
    if (derivation === undefined || (derivation.document === undefined && skipped.length === 0)) {
      return this.#planWithdrawal(text, key);
    }
    // A service that has nothing in this layer because of what was skipped is still told about: document null.
    const content = { document: derivation.document ?? null, skipped };
    const body = JSON.stringify(content);
    const contentHash = createHash('sha1').update(body).digest('base64url');
    const known = this.#published.get(text);
    if (known?.contentHash === contentHash) return undefined;
    const revision = revisionAfter(known, mark);
    this.#published.set(text, { key, contentHash, revision });
    const data = withHeader(body, { ...mark, revision }, contentHash);
    return { subject: derivedSubject(this.#layer, key), data };
  }

  #planWithdrawal(text: string, key: ServiceKey): AppendEntry | undefined {
    if (!this.#published.delete(text)) return undefined;
    return { subject: derivedSubject(this.#layer, key), data: null };
  }
}

/**
 * Who replays the log does not see what took a slice away from a Service while nobody derived it. It was after what was
 * published last, or it would be in that; so a document's revision rises with its content.
 */
function revisionAfter(known: PublishedDocument | undefined, { revision }: ChangeMark): number {
  return known === undefined ? revision : Math.max(revision, known.revision + 1);
}

/** The DerivedMessage around an already serialised body: a 10 KB document is stringified once, not twice. */
function withHeader(body: string, { revision, changedAtMs }: ChangeMark, contentHash: string): string {
  const header: Omit<DerivedMessage, 'document' | 'skipped'> = { revision, changedAtMs, contentHash };
  return `${JSON.stringify(header).slice(0, -1)},${body.slice(1)}`;
}
