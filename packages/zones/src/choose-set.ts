/** Weighted answers: of several sets of records at one name and type, an answer holds one. */
import type { DnsRecord } from '@signalbox/contracts';
import type { RecordGroup } from './records.ts';

interface WeightedSet {
  readonly weight: number;
  readonly records: DnsRecord[];
}

/** Made once per group, so that each set is the same array each time. */
const setsOf = new WeakMap<RecordGroup, readonly WeightedSet[]>();

/**
 * The group itself where nothing is to be chosen. Each set comes in proportion to its weight; records without a choice
 * are a set of weight 1. When all weights are 0, all sets count alike, rather than none.
 */
export function chosenSet(group: RecordGroup, pick = 0): RecordGroup {
  if (group.every(({ choice }) => choice === undefined)) return group;
  const sets = setsOf.get(group) ?? weightedSets(group);
  setsOf.set(group, sets);
  const total = sets.reduce((sum, { weight }) => sum + weight, 0);
  let left = pick * (total === 0 ? sets.length : total);
  for (const { weight, records } of sets) {
    left -= total === 0 ? 1 : weight;
    if (left < 0) return records;
  }
  return sets.at(-1)?.records ?? group;
}

function weightedSets(group: RecordGroup): WeightedSet[] {
  const sets = new Map<string, WeightedSet>();
  for (const record of group) {
    const { set, weight } = record.choice ?? { set: '', weight: 1 };
    const own = sets.get(set) ?? { weight, records: [] };
    own.records.push(record);
    sets.set(set, own);
  }
  return [...sets].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, own]) => own);
}
