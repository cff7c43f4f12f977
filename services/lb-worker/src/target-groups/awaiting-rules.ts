/** Entries with a target that waits for the rules of its node, by cluster: only they are looked at when nodes acknowledge. */
import type { TargetGroupSet } from '@signalbox/contracts';
import type { GroupEntry } from './group-table.ts';

export class AwaitingRules {
  readonly #waiting = new Map<string, Set<string>>();

  idsOf(cluster: string): Iterable<string> {
    return this.#waiting.get(cluster) ?? [];
  }

  note({ id, key }: GroupEntry, set: TargetGroupSet | undefined): void {
    const isWaiting = set?.groups.some(({ targets }) => targets.some(({ reason }) => reason === 'awaiting-rules'));
    const waiting = this.#waiting.get(key.cluster) ?? new Set();
    if (isWaiting === true) waiting.add(id);
    else waiting.delete(id);
    if (waiting.size > 0) this.#waiting.set(key.cluster, waiting);
    else this.#waiting.delete(key.cluster);
  }
}
