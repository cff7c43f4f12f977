/**
 * Keeps what the processes of a plane have said, what the test has seen, and what each NATS server has stored (copies of one
 * stream may differ), for whoever looks for the reason of a violation.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Timeline } from './timeline.ts';
import type { World } from './world.ts';

/** Returns the folder. */
export function keepOutputs({ plane, bus }: World, timeline: Timeline, seed: number): string {
  const folder = join(tmpdir(), `signalbox-chaos-${seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, each] of plane.processes) writeFileSync(join(folder, `${name}.log`), each.output);
  writeFileSync(join(folder, 'timeline.txt'), timeline.text());
  for (const [name, { storeDir }] of bus.nodes) cpSync(storeDir, join(folder, name), { recursive: true });
  return folder;
}
