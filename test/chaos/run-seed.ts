/** One seed: a plane is started, lives through faults while its cluster changes, and is compared when all is calm. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '../harness/cluster-changes.ts';
import { expectedCluster } from '../harness/oracle.ts';
import { CLUSTER } from './cluster.ts';
import { compareDocuments } from './compare-documents.ts';
import { convergence } from './converged.ts';
import type { Difference } from './differences.ts';
import { openWorld, type World } from './world.ts';

export interface SeedOptions {
  readonly seed: number;
  readonly faults: number;
  readonly say: (text: string) => void;
}

const MAX_CONVERGENCE_MS = 25_000;

export async function runSeed({ seed, say, faults }: SeedOptions): Promise<Difference[]> {
  const random = seededRandom(seed);
  const started = performance.now();
  const since = () => ((performance.now() - started) / 1000).toFixed(1);
  const world = await openWorld();
  try {
    say(`${since()} open`);
    await converge(world);
    say(`${since()} converged`);
    const stopping = new AbortController();
    const churning = churn(random, world, stopping.signal);
    for (let i = 0; i < faults; i += 1) {
      await sleep(500 + random() * 500);
      const all = [...world.plane.processes.values()];
      const one = all[Math.floor(random() * all.length)];
      say(`${since()} kill ${one?.spec.name}`);
      await one?.kill();
    }
    stopping.abort();
    await churning;
    world.cluster.calm();
    say(`${since()} calm`);
    await converge(world);
    say(`${since()} converged`);
    return await compareDocuments(world.log, expectedCluster(world.cluster.server, CLUSTER));
  } finally {
    await world.close();
    say(`${since()} closed`);
  }
}

async function churn(random: Random, world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    world.cluster.change(random);
    await sleep(25);
  }
}

async function converge(world: World): Promise<number> {
  const deadline = performance.now() + MAX_CONVERGENCE_MS;
  for (let last = ''; ; ) {
    const found = await convergence(world).catch((error: unknown) => ({ waitingFor: `an answer: ${error}` }));
    if ('revision' in found) return found.revision;
    if (found.waitingFor !== last) console.log(found.waitingFor);
    last = found.waitingFor;
    if (performance.now() > deadline)
      for (const [name, p] of world.plane.processes) console.log(name, p.output.slice(-1500));
    if (performance.now() > deadline) throw new Error(`waited in vain for ${found.waitingFor}`);
    await sleep(100);
  }
}
