/**
 * Which Services went with so many others that it is more likely a mistake than meant: a list that came back empty, a
 * namespace of manifests that was moved. One by one they are deleted on purpose.
 */
import type { GroupEntry } from './group-table.ts';

/** Ids among `candidates` that are held. `shareOf` gives the guard's share for a class. */
export function emptiedAmong(
  candidates: readonly GroupEntry[],
  all: Iterable<GroupEntry>,
  shareOf: (loadBalancerClass: string) => number,
): Set<string> {
  const withdrawn = candidates.filter((entry) => entry.wanted === undefined && entry.set !== undefined);
  const held = new Set(withdrawn.filter(isHeld).map(({ id }) => id));
  const fresh = withdrawn.filter(({ id }) => !held.has(id));
  if (fresh.length < 2) return held;
  const published = countBy([...all].filter((entry) => entry.set !== undefined && !isHeld(entry)));
  const leaving = countBy(fresh);
  for (const entry of fresh) {
    const [before, gone] = [published.get(groupOf(entry)) ?? 0, leaving.get(groupOf(entry)) ?? 0];
    const isMass = gone >= 2 && before - gone < shareOf(entry.key.loadBalancerClass) * before;
    if (isMass) held.add(entry.id);
  }
  return held;
}

/** It was held when it was decided last, and nobody wants it again. */
function isHeld({ set, wanted }: GroupEntry): boolean {
  if (set === undefined || wanted !== undefined) return false;
  return set.groups.some(({ targets }) => targets.some(({ reason }) => reason === 'mass-removal-guard'));
}

function countBy(entries: readonly GroupEntry[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const entry of entries) counts.set(groupOf(entry), (counts.get(groupOf(entry)) ?? 0) + 1);
  return counts;
}

function groupOf({ key }: GroupEntry): string {
  return `${key.cluster} ${key.loadBalancerClass}`;
}
