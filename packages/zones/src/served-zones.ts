/** Which zones there are, whose they are, and how far they can be answered from. Pure. */
import type { ServedZone } from './answer-question.ts';
import { REVERSE_ZONES } from './assemble-zones.ts';
import { isBelowOrEqual, parseHostName } from './names.ts';

export interface IndexedCluster {
  readonly name: string;
  readonly domain: string;
  /** False: the cluster is known, but what it holds is not, so its zone cannot be answered from. */
  readonly isSynced: boolean;
}

/** The same zones, and of each the same property. */
export function haveSame(
  left: ReadonlyMap<string, ServedZone>,
  right: ReadonlyMap<string, ServedZone>,
  property: (zone: ServedZone) => unknown,
): boolean {
  if (left.size !== right.size) return false;
  return [...left].every(([name, zone]) => {
    const other = right.get(name);
    return other !== undefined && property(zone) === property(other);
  });
}

export function isReverse(name: string): boolean {
  return REVERSE_ZONES.some((zone) => isBelowOrEqual(name, zone));
}

/** Zone → the cluster that has it. */
export function claimDomains(clusters: readonly IndexedCluster[]): {
  owners: Map<string, IndexedCluster>;
  rejected: string[];
} {
  const owners = new Map<string, IndexedCluster>();
  const rejected: string[] = [];
  for (const cluster of [...clusters].sort((left, right) => (left.name < right.name ? -1 : 1))) {
    const zone = parseHostName(cluster.domain);
    if (zone === undefined || owners.has(zone)) rejected.push(cluster.name);
    else owners.set(zone, cluster);
  }
  return { owners, rejected };
}

/**
 * While one cluster is missing, an address unknown to the others may be its, and so may a public name: the reverse zones
 * and those of intents are then partial.
 */
export function zonesOf(
  owners: ReadonlyMap<string, IndexedCluster>,
  extraZones: readonly string[],
): Map<string, ServedZone> {
  const forward = [...owners].map(([name, { isSynced }]): ServedZone => {
    return { name, state: isSynced ? 'complete' : 'unavailable' };
  });
  const isComplete = forward.every((zone) => zone.state === 'complete');
  const reverse = forward.length === 0 ? [] : REVERSE_ZONES;
  const state = isComplete ? 'complete' : 'partial';
  const isFree = (name: string) => !isReverse(name) && !forward.some((zone) => isBelowOrEqual(name, zone.name));
  const extra = extraZones.filter(isFree).map((name): ServedZone => ({ name, state, isExtra: true }));
  return new Map(
    [...forward, ...reverse.map((name): ServedZone => ({ name, state })), ...extra].map((zone) => [zone.name, zone]),
  );
}
