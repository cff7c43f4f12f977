/** What happens to processes: they die, and they stand still for longer than their leases last. */
import { pick, type Random } from '../harness/cluster-changes.ts';
import { between, type FaultKind } from './fault.ts';
import type { SupervisedProcess } from './supervised-process.ts';
import type { World } from './world.ts';

export const PROCESS_FAULTS: readonly FaultKind[] = [
  {
    name: 'process killed',
    weight: 4,
    choose: (world, random) => {
      const each = anyProcess(world, random);
      const restartMs = between(random, 0, 1500);
      return {
        name: 'process killed',
        target: each.spec.name,
        lastsMs: restartMs,
        begin: () => each.kill(restartMs),
        end: () => {},
      };
    },
  },
  {
    name: 'process paused',
    weight: 3,
    choose: (world, random) => {
      const each = anyProcess(world, random);
      return {
        name: 'process paused',
        target: each.spec.name,
        lastsMs: between(random, 200, 6000),
        begin: () => each.pause(),
        end: () => each.resume(),
      };
    },
  },
];

function anyProcess({ plane }: World, random: Random): SupervisedProcess {
  return pick(random, [...plane.processes.values()]);
}
