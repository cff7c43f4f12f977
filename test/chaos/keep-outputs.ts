/** Keeps what the processes of a plane have said, for whoever looks for the reason of a violation. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plane } from './plane.ts';

/** Returns the folder. */
export function keepOutputs({ processes }: Plane, seed: number): string {
  const folder = join(tmpdir(), `signalbox-chaos-${seed}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, each] of processes) writeFileSync(join(folder, `${name}.log`), each.output);
  return folder;
}
