/** What the replica that leads a layer does for all: it publishes the watermark, and keeps the stream small. */
import { type Layer, type Watermark, watermarkSubject } from '@signalbox/contracts';
import type { AppendEntry, EventLog } from '@signalbox/event-log';
import { startCompaction } from '../compaction.ts';
import type { Logger } from '../logger.ts';

interface LayerLeadOptions {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly layer: Layer;
}

export class LayerLead {
  readonly #options: LayerLeadOptions;
  /** As the log has it. */
  #watermark: Watermark | undefined;
  #stopCompaction: (() => void) | undefined;

  constructor(options: LayerLeadOptions) {
    this.#options = options;
  }

  get subject(): string {
    return watermarkSubject(this.#options.layer);
  }

  /** `data` is the watermark's message; undefined: there was none yet. */
  take(data: string | null | undefined): void {
    const { log, logger } = this.#options;
    this.#watermark = data == null ? undefined : (JSON.parse(data) as Watermark);
    this.#stopCompaction ??= startCompaction(log, 'derived', logger);
  }

  leave(): void {
    this.#watermark = undefined;
    this.#stopCompaction?.();
    this.#stopCompaction = undefined;
  }

  /**
   * What is to be appended when all partitions have come so far; undefined when that is no news. Never back, unless the log
   * ends (`knownRevision`) before the last watermark: then it is another log.
   */
  next(watermark: Watermark | undefined, knownRevision: number): AppendEntry | undefined {
    const last = this.#watermark;
    if (watermark === undefined) return undefined;
    if (last !== undefined && watermark.revision < last.revision && last.revision <= knownRevision) return undefined;
    const data = JSON.stringify(watermark);
    return last !== undefined && data === JSON.stringify(last) ? undefined : { subject: this.subject, data };
  }

  notePublished(watermark: Watermark): void {
    const { logger, layer } = this.#options;
    const [before, clusters] = [clustersOf(this.#watermark), clustersOf(watermark)];
    const isNews = before.join() !== clusters.join();
    logger[isNews ? 'info' : 'debug']({ layer, revision: watermark.revision, clusters }, 'derived');
    this.#watermark = watermark;
  }
}

function clustersOf(watermark: Watermark | undefined): string[] {
  return Object.keys(watermark?.clusters ?? {}).sort();
}
