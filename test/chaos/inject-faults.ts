/**
 * Faults at random, one after the other and over each other. Which, when and for how long is decided before the first one,
 * so that a seed gives the same faults however fast the machine is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pick, type Random } from '../harness/cluster-changes.ts';
import { between, type Fault, type FaultKind } from './fault.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { STORE_FAULTS } from './store-faults.ts';
import type { World } from './world.ts';

const KINDS: readonly FaultKind[] = [...PROCESS_FAULTS, ...NETWORK_FAULTS, ...STORE_FAULTS];
const ATTEMPTS = 20;
/** After the planned end of a fault, before its target gets the next one. */
const PAUSE_MS = 500;

interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** Of faults that cannot be tried here: which, and why. */
export function skippedFaults(world: World): string[] {
  return KINDS.flatMap((kind) => {
    const reason = kind.missing?.(world);
    return reason === undefined ? [] : [`${kind.name}: ${reason}`];
  });
}

export function planFaults(world: World, random: Random, count: number): PlannedFault[] {
  const possible = KINDS.filter((kind) => kind.missing?.(world) === undefined);
  const lots = possible.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  const busyUntilMs = new Map<string, number>();
  const planned: PlannedFault[] = [];
  for (let atMs = 0; planned.length < count; atMs += between(random, 100, 1200)) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const fault = pick(random, lots).choose(world, random);
      if ((busyUntilMs.get(fault.target) ?? 0) > atMs) continue;
      busyUntilMs.set(fault.target, atMs + fault.lastsMs + PAUSE_MS);
      planned.push({ atMs, fault });
      break;
    }
  }
  return planned;
}

/** Resolves when the last of them has ended. */
export async function injectFaults(planned: readonly PlannedFault[], say: (text: string) => void): Promise<void> {
  await Promise.all(
    planned.map(async ({ atMs, fault }) => {
      await sleep(atMs);
      say(`${fault.name}: ${fault.target}, ${Math.round(fault.lastsMs)} ms`);
      await fault.begin();
      await sleep(fault.lastsMs);
      await fault.end();
    }),
  );
}
