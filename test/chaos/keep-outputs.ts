/** Keeps what the processes of a plane have said, and what the test has seen, for whoever looks for the reason of a violation. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plane } from './plane.ts';
import type { Timeline } from './timeline.ts';

/** Returns the folder. */
export function keepOutputs({ processes }: Plane, timeline: Timeline, seed: number): string {
  const folder = join(tmpdir(), `signalbox-chaos-${seed}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, each] of processes) writeFileSync(join(folder, `${name}.log`), each.output);
  writeFileSync(join(folder, 'timeline.txt'), timeline.text());
  return folder;
}
