/** What can go wrong. A fault begins, lasts, and ends; one target has one fault at a time. */
import type { Random } from '../harness/cluster-changes.ts';
import type { World } from './world.ts';

export interface Fault {
  /** What happens, for the report: faults of one name are counted together. */
  readonly name: string;
  /** What it happens to. */
  readonly target: string;
  readonly lastsMs: number;
  begin(): Promise<void> | void;
  end(): Promise<void> | void;
}

export interface FaultKind {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  /** Why it cannot be tried here; undefined when it can. */
  missing?(world: World): string | undefined;
  choose(world: World, random: Random): Fault;
}

/** In [min, max). */
export function between(random: Random, min: number, max: number): number {
  return min + random() * (max - min);
}
