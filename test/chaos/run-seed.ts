/** One seed: a plane is started, lives through faults while its cluster changes, and is compared when all is calm. */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText } from '@signalbox/contracts';
import { type Random, seededRandom } from '../harness/cluster-changes.ts';
import type { NatsCluster } from '../harness/nats-cluster.ts';
import { type ExpectedCluster, expectedCluster } from '../harness/oracle.ts';
import { CLUSTER } from './cluster.ts';
import { compareApi, compareRows } from './compare-api.ts';
import { compareDns } from './compare-dns.ts';
import { compareDocuments } from './compare-documents.ts';
import { compareKernel } from './compare-kernel.ts';
import { convergence } from './converged.ts';
import type { Difference } from './differences.ts';
import { injectFaults, planFaults, skippedFaults } from './inject-faults.ts';
import { keepOutputs } from './keep-outputs.ts';
import { operate, unexpectedEnds } from './operator.ts';
import { ProbeHistory } from './probe-history.ts';
import { Rising } from './rising.ts';
import { Timeline } from './timeline.ts';
import { watchLog } from './watch-log.ts';
import { watchServers } from './watch-servers.ts';
import { openWorld, type World } from './world.ts';

export interface SeedOptions {
  readonly seed: number;
  readonly faults: number;
  readonly say: (text: string) => void;
}

export interface SeedResult {
  readonly seed: number;
  /** Name of the fault → how often. */
  readonly faults: ReadonlyMap<string, number>;
  readonly skipped: readonly string[];
  /** Of the cluster's objects. */
  readonly changes: number;
  /** Messages in the log. */
  readonly events: number;
  /** Answers that were held against the revision they claim. */
  readonly answers: number;
  /** From the end of the last fault and change until everybody has the last revision. */
  readonly convergenceMs: number;
  /** What is not as it should be; empty: passed. */
  readonly violations: readonly Difference[];
  /** Where the outputs of all processes are, if there is something to find in them. */
  readonly outputs: string | undefined;
}

type Life = Pick<SeedResult, 'faults' | 'changes' | 'events' | 'answers' | 'convergenceMs' | 'violations'>;

/** For what hangs; how long it takes is for the report. */
const MAX_CONVERGENCE_MS = 120_000;
/** The node agent's limit, and some for the last transaction. */
const MAX_LINGER_MS = 35_000;
const POLL_MS = 200;
const CHANGE_EVERY_MS = 25;

export async function runSeed(bus: NatsCluster, { seed, faults, say }: SeedOptions): Promise<SeedResult> {
  const world = await openWorld(bus, `seed-${seed}`);
  const timeline = new Timeline();
  const tell = (text: string): void => {
    timeline.note('faults', text);
    say(text);
  };
  try {
    operate(world.plane);
    const life = await live(world, { seed, faults, say: tell }, timeline).catch(unableToGoOn);
    const violations = [...life.violations, ...unexpectedEnds(world.plane)];
    const outputs = violations.length === 0 ? undefined : keepOutputs(world, timeline, seed);
    return { ...life, seed, skipped: skippedFaults(world), violations, outputs };
  } finally {
    await world.close();
  }
}

/** Such as an answer with an error when all was said to be well. */
function unableToGoOn(error: unknown): Life {
  const violations = [{ where: 'the test', expected: 'that it can go on', found: errorText(error) }];
  return { faults: new Map(), changes: 0, events: 0, answers: 0, convergenceMs: 0, violations };
}

async function live(world: World, { seed, faults, say }: SeedOptions, timeline: Timeline): Promise<Life> {
  const [rising, probes] = [new Rising(), new ProbeHistory()];
  const [churning, watching] = [new AbortController(), new AbortController()];
  const planned = planFaults(world, seededRandom(seed), faults);
  const { signal } = watching;
  const seen = watchLog(world.log, { rising, probes, timeline, signal });
  const start = await converge(world);
  const watched = watchServers(world.plane, { rising, probes, timeline, signal });
  const changed = churn(world, seededRandom(seed + 1), churning.signal);
  await injectFaults(planned, say);
  churning.abort();
  await changed;
  world.cluster.calm();
  const calm = start.violations.length > 0 ? start : await converge(world);
  const differences = calm.violations.length > 0 ? calm.violations : await compareAll(world, calm.revision, seed);
  if (calm.violations.length === 0) await until(() => seen.isCaughtUp());
  watching.abort();
  await watched;
  return {
    faults: countsOf(planned.map(({ fault }) => fault.name)),
    changes: world.cluster.changes,
    events: seen.events,
    answers: probes.answers,
    convergenceMs: calm.tookMs,
    violations: [...differences, ...rising.violations, ...probes.violations()],
  };
}

async function compareAll(world: World, revision: number, seed: number): Promise<Difference[]> {
  const { log, cluster, plane, namespace } = world;
  const expected = expectedCluster(cluster.server, CLUSTER);
  const found = await compareDocuments(log, expected);
  for (const api of plane.apis) {
    found.push(...(await compareApi(api, expected, revision)), ...(await compareRows(api, expected, revision)));
  }
  found.push(...(await compareDns(plane.dnsPort, expected, { revision, random: seededRandom(seed) })));
  if (namespace !== undefined) found.push(...(await kernelOnceSettled(namespace, expected)));
  return found;
}

/** What was removed lingers until DNS servers and load balancers have followed, and no longer than its time limit. */
async function kernelOnceSettled(namespace: string, expected: ExpectedCluster): Promise<Difference[]> {
  const startedMs = performance.now();
  for (;;) {
    const found = compareKernel(namespace, expected);
    if (found.length === 0 || performance.now() - startedMs > MAX_LINGER_MS) return found;
    await sleep(POLL_MS);
  }
}

async function churn({ cluster }: World, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    cluster.change(random);
    await sleep(CHANGE_EVERY_MS);
  }
}

interface Converged {
  readonly revision: number;
  readonly tookMs: number;
  /** Who did not come to the last revision in time. */
  readonly violations: readonly Difference[];
}

async function converge(world: World): Promise<Converged> {
  const startedMs = performance.now();
  for (;;) {
    const found = await convergence(world).catch((error: unknown) => ({
      waitingFor: `the log to answer: ${errorText(error)}`,
    }));
    const tookMs = performance.now() - startedMs;
    if ('revision' in found) return { revision: found.revision, tookMs, violations: [] };
    if (tookMs > MAX_CONVERGENCE_MS) {
      const where = `converged in ${MAX_CONVERGENCE_MS / 1000} s`;
      return { revision: 0, tookMs, violations: [{ where, expected: 'everybody', found: `not ${found.waitingFor}` }] };
    }
    await sleep(POLL_MS);
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) await sleep(POLL_MS);
}

function countsOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
