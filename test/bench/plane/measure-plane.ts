/** One plane from its first list to several replicas of its workers. */
import { performance } from 'node:perf_hooks';
import { BenchPlane, untilReady } from './bench-plane.ts';
import { type AgentsMeasurement, measureAgents } from './measure-agents.ts';
import { type Cost, costOf, sumOfCpu } from './measured-process.ts';
import type { BenchOptions } from './options.ts';

export interface ReplicasMeasurement {
  readonly replicas: number;
  /** From the first change to the watermarks of all layers. */
  readonly burstMs: number;
  /** Of all workers, for that burst. */
  readonly workersCpuSeconds: number;
  /** Of all workers together, at most. */
  readonly workersPeakMiB: number;
}

export interface ProcessCost extends Cost {
  readonly name: string;
}

export interface PlaneMeasurement {
  readonly natsServers: number;
  readonly services: number;
  /** From the start of the processes until the API is ready: everything listed, derived and stored. */
  readonly firstListMs: number;
  readonly replicas: readonly ReplicasMeasurement[];
  readonly agents: readonly AgentsMeasurement[];
  /** Of an API that begins with an empty store, from its start to ready. */
  readonly replayMs: number;
  readonly replayCost: Cost;
  /** At the end, of one replica each. */
  readonly processes: readonly ProcessCost[];
}

export async function measurePlane(
  natsServers: 1 | 3,
  { services, changes, agents, simulatedAgents, replicas }: BenchOptions,
): Promise<PlaneMeasurement> {
  const say = (what: string): void => console.error(`${natsServers} nats-server, ${services} services: ${what} …`);
  say('first list');
  const { plane, kubeconfig } = await BenchPlane.open(natsServers, services);
  try {
    const begin = performance.now();
    plane.startWatcher(kubeconfig, natsServers);
    plane.startWorkers();
    const api = plane.startApi();
    await untilReady(api);
    const firstListMs = performance.now() - begin;
    const measured: ReplicasMeasurement[] = [];
    const byAgents: AgentsMeasurement[] = [];
    for (let count = 1; count <= replicas; count += 1) {
      if (count > 1) plane.startWorkers();
      say(`${services} changes at once, ${count} of each worker`);
      await plane.untilShared(count);
      measured.push(await measureBurst(plane, { count: services, replicas: count }));
      if (count > 1) continue;
      say(`${changes} changes, ${agents} agents that follow`);
      byAgents.push(await measureAgents(plane, api, { kind: 'subscribed', agents, changes }));
      say(`${changes} changes, ${simulatedAgents} agents that are told`);
      byAgents.push(await measureAgents(plane, api, { kind: 'fanned-out', agents: simulatedAgents, changes }));
    }
    say('another API');
    const replay = await measureReplay(plane);
    const processes = processCosts(plane);
    return { natsServers, services, firstListMs, replicas: measured, agents: byAgents, ...replay, processes };
  } finally {
    await plane.stop();
  }
}

async function measureBurst(
  plane: BenchPlane,
  { count, replicas }: { count: number; replicas: number },
): Promise<ReplicasMeasurement> {
  // Replicas that have just taken over are done with that when a change comes through.
  await plane.change(1);
  const cpuSeconds = sumOfCpu(plane.workers());
  const begin = performance.now();
  await plane.change(count);
  const burstMs = performance.now() - begin;
  const workersCpuSeconds = sumOfCpu(plane.workers()) - cpuSeconds;
  const peaks = plane.workers().map(({ process }) => costOf(process.child.pid).peakMiB);
  return { replicas, burstMs, workersCpuSeconds, workersPeakMiB: peaks.reduce((sum, peak) => sum + peak, 0) };
}

async function measureReplay(plane: BenchPlane): Promise<{ replayMs: number; replayCost: Cost }> {
  const begin = performance.now();
  const api = plane.startApi();
  await untilReady(api);
  return { replayMs: performance.now() - begin, replayCost: costOf(api.process.child.pid) };
}

function processCosts({ nats, processes }: BenchPlane): ProcessCost[] {
  const services = processes.map(({ name, process }) => ({ name, ...costOf(process.child.pid) }));
  const firstOfEach = services.filter(({ name }, i) => services.findIndex((other) => other.name === name) === i);
  return [...nats.pids.map((pid) => ({ name: 'nats-server', ...costOf(pid) })), ...firstOfEach];
}
