/**
 * The partitions of a layer that one replica derives, and the lead if it has that: what the log holds of them, what is
 * published, and what is published next. One caller at a time.
 */
import {
  type DerivedMessage,
  parseDerivedSubject,
  partitionOf,
  type ServiceKey,
  type Watermark,
} from '@signalbox/contracts';
import type { AppendEntry, LogMessage } from '@signalbox/event-log';
import { deriveInChunks } from '../derive-in-chunks.ts';
import type { PublishedDocument } from '../layer-outputs.ts';
import type { ServiceContext } from '../service.ts';
import type { WorkerLane } from '../worker-lane.ts';
import { sharesMetrics } from '../worker-metrics.ts';
import { FencedPublisher, partitionOfDerived } from './fenced-publisher.ts';
import { LEAD } from './group-state.ts';
import { LayerLead } from './layer-lead.ts';
import { readPartitions } from './read-partitions.ts';

interface HeldPartitionsOptions {
  readonly lane: WorkerLane;
  /** The lease: asked right before anything is published. */
  readonly isValid: () => boolean;
  /** Publishing was refused, or it is not known what was stored: what that concerns is held no more, and has to be read anew. */
  readonly onRefused: (error: unknown, names: readonly string[]) => void;
}

export class HeldPartitions {
  readonly #context: ServiceContext;
  readonly #options: HeldPartitionsOptions;
  readonly #lane: WorkerLane;
  readonly #publisher: FencedPublisher;
  readonly #lead: LayerLead;

  constructor(context: ServiceContext, options: HeldPartitionsOptions) {
    const { log, logger } = context;
    const { lane, isValid } = options;
    this.#context = context;
    this.#options = options;
    this.#lane = lane;
    this.#publisher = new FencedPublisher({ log, stream: 'derived', partitionOf: partitionOfDerived, isValid });
    this.#lead = new LayerLead({ log, logger, layer: lane.worker.layer });
  }

  holds(name: string): boolean {
    return this.#publisher.holds(name);
  }

  /** Without the lead. */
  get partitions(): string[] {
    return this.#publisher.partitions.filter((name) => name !== LEAD);
  }

  /**
   * Reads what the log has of these slots, fences the lost owners of `dirty` out, and says `onFenced` when that is done;
   * then all of them is derived.
   */
  async takeOver(names: readonly string[], dirty: readonly string[], onFenced: () => Promise<void>): Promise<void> {
    const messages = await this.#publisher.hold(names, { dirty: new Set(dirty), read: () => this.#read(names) });
    if (dirty.length > 0) await onFenced();
    this.#lane.outputs.restorePartitions(new Set(names), publishedIn(messages));
    if (names.includes(LEAD)) this.#lead.take(messages.find(({ subject }) => subject === this.#lead.subject)?.data);
    this.#count();
    const taken = new Set(names);
    await this.derive([...this.#lane.everything().values()].filter((key) => taken.has(partitionOfKey(key))));
  }

  /** Publishes what differs, of those Services whose partition is held (until it is refused). */
  async derive(keys: Iterable<ServiceKey>): Promise<void> {
    for await (const entries of deriveInChunks(this.#derivations(keys))) await this.#publish(entries);
  }

  /** Publishes the watermark if this replica leads, and the watermark is news. `knownRevision`: of the objects' stream. */
  async publishWatermark(watermark: Watermark | undefined, knownRevision: number): Promise<void> {
    if (watermark === undefined || !this.holds(LEAD)) return;
    const entry = this.#lead.next(watermark, knownRevision);
    if (entry !== undefined && (await this.#publish([entry]))) this.#lead.notePublished(watermark);
  }

  forget(names: readonly string[]): void {
    this.#publisher.drop(names);
    this.#lane.outputs.forgetPartitions(new Set(names));
    if (names.includes(LEAD)) this.#lead.leave();
    this.#count();
  }

  forgetAll(): void {
    this.forget(this.#publisher.partitions);
  }

  async #read(names: readonly string[]): Promise<LogMessage[]> {
    const { log } = this.#context;
    const partitions = names.filter((name) => name !== LEAD);
    const messages = await readPartitions(log, this.#lane.worker.layer, partitions);
    const watermark = names.includes(LEAD) ? await log.last('derived', this.#lead.subject) : undefined;
    return watermark === undefined ? messages : [...messages, watermark];
  }

  *#derivations(keys: Iterable<ServiceKey>): Generator<AppendEntry | undefined> {
    for (const key of keys) if (this.holds(partitionOfKey(key))) yield this.#lane.derive(key);
  }

  /** False: refused or uncertain. */
  async #publish(entries: readonly AppendEntry[]): Promise<boolean> {
    if (entries.length === 0) return true;
    try {
      await this.#publisher.publish(entries);
      return true;
    } catch (error) {
      const names = [...new Set(entries.map(({ subject }) => partitionOfDerived(subject)))];
      this.forget(names);
      sharesMetrics(this.#context.registry).refused.inc({ worker: this.#lane.worker.name }, entries.length);
      this.#options.onRefused(error, names);
      return false;
    }
  }

  #count(): void {
    const { name } = this.#lane.worker;
    sharesMetrics(this.#context.registry).partitions.set({ worker: name }, this.partitions.length);
  }
}

function publishedIn(messages: readonly LogMessage[]): PublishedDocument[] {
  return messages.flatMap(({ subject, data }) => {
    const parsed = parseDerivedSubject(subject);
    if (data === null || parsed.type === 'watermark') return [];
    const { contentHash, revision } = JSON.parse(data) as DerivedMessage;
    return [{ key: parsed.key, contentHash, revision }];
  });
}

function partitionOfKey({ namespace, name }: ServiceKey): string {
  return partitionOf(namespace, name);
}
