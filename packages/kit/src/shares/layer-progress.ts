/**
 * How far a layer is when several members derive it: the least of its partitions.
 *
 * "Partition p is derived up to revision R" stays true for ever: only the owner of p changes p's documents, each owner
 * begins at what the last one had, and never before it has read all that the last one could have read. So the largest R
 * that anybody has told for p counts, and whoever tells it may be gone. What a watermark says beside its revision (which
 * clusters are synced) depends on the revision alone, and is taken from the member that is exactly there: nothing is
 * listed before its last partition has it.
 */
import { type Watermark, watermarkSchema } from '@signalbox/contracts';
import { z } from 'zod';

const progressSchema = z.object({ partitions: z.array(z.string()), watermark: watermarkSchema });
export type Progress = z.infer<typeof progressSchema>;

export class LayerProgress {
  readonly #partitions: readonly string[];
  readonly #reached = new Map<string, Watermark>();
  readonly #skipped = new Map<string, number>();

  constructor(partitions: readonly string[]) {
    this.#partitions = partitions;
  }

  /** Null: the member is gone. What it told stays true, but for what it skips now. */
  note(member: string, data: string | null): void {
    if (data === null) {
      this.#skipped.delete(member);
      return;
    }
    this.add(member, progressSchema.parse(JSON.parse(data)));
  }

  add(member: string, { partitions, watermark }: Progress): void {
    this.#skipped.set(member, watermark.skippedServices);
    for (const partition of partitions) {
      const known = this.#reached.get(partition);
      if (known === undefined || known.revision <= watermark.revision) this.#reached.set(partition, watermark);
    }
  }

  /** The log is another one, or was compacted past us: nothing is known. */
  clear(): void {
    this.#reached.clear();
    this.#skipped.clear();
  }

  /** Undefined while some partition has not been told about. */
  watermark(): Watermark | undefined {
    let least: Watermark | undefined;
    for (const partition of this.#partitions) {
      const reached = this.#reached.get(partition);
      if (reached === undefined) return undefined;
      if (least === undefined || reached.revision < least.revision) least = reached;
    }
    const skippedServices = [...this.#skipped.values()].reduce((sum, count) => sum + count, 0);
    return least && { ...least, skippedServices };
  }
}
