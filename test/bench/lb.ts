/**
 * `npm run bench:lb [-- services pods seconds changesPerSecond noOps]`: what load balancers are told of a busy cluster,
 * with damping and without, how late, and at what cost. Prints tables; decides nothing.
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { formatTable } from '@signalbox/cli';
import { NO_DAMPING } from '@signalbox/registrations';
import { aRegistrationSet, SimulatedDamping, type Wish } from '../harness/simulated-damping.ts';
import type { Delay, LbMeasurement } from './lb-process.ts';

const [services = '500', pods = '100', seconds = '30', changesPerSecond = '20', noOps = '5'] = process.argv.slice(2);
/** F5's users report 110 s for a rollout that took the pods 10 s: 2.2 s for each of 50 updates, one after the other. */
const MS_PER_UPDATE = 2_200;
const ROLLOUT = { pods: 50, everyMs: 200 };

console.log(`\n${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}.`);
printRollout();
printChurn();

function printRollout(): void {
  const rows = [
    { name: 'without', ...rollOut(new SimulatedDamping(NO_DAMPING)) },
    { name: 'with', ...rollOut(new SimulatedDamping()) },
  ];
  console.log(`\nA rollout of ${ROLLOUT.pods} pods in ${(ROLLOUT.pods * ROLLOUT.everyMs) / 1000} s, simulated:\n`);
  console.log(
    formatTable<(typeof rows)[number]>(
      [
        { title: 'damping', value: ({ name }) => name },
        { title: 'events', value: ({ events }) => events },
        { title: 'updates sent', value: ({ sentMs }) => sentMs.length },
        { title: 'targets as wanted after', value: ({ doneMs }) => seconds1(doneMs) },
        { title: 'slow one, update by update', value: ({ sentMs }) => seconds1(oneByOne(sentMs)) },
        { title: 'slow one, newest state', value: ({ sentMs }) => seconds1(newestState(sentMs)) },
      ],
      rows,
    ),
  );
}

/** Each pod: comes, is ready, its predecessor terminates for a second, and is gone. */
function rollOut(damping: SimulatedDamping) {
  const wishes: Record<string, Wish | undefined> = {};
  const old = Array.from({ length: ROLLOUT.pods }, (_, i) => `10.0.0.${i}`);
  for (const address of old) wishes[address] = 'active';
  damping.want(aRegistrationSet(wishes));
  const startMs = damping.nowMs;
  const changes = old.flatMap((address, i) => {
    const readyMs = i * ROLLOUT.everyMs;
    return [
      { atMs: readyMs, address: `10.0.1.${i}`, wish: 'active' as const },
      { atMs: readyMs + 100, address, wish: 'draining' as const },
      { atMs: readyMs + 1_100, address, wish: undefined },
    ];
  });
  for (const { atMs, address, wish } of changes.sort((left, right) => left.atMs - right.atMs)) {
    damping.advance(startMs + atMs - damping.nowMs);
    wishes[address] = wish;
    damping.want(aRegistrationSet(wishes));
  }
  damping.advance(600_000);
  const sent = damping.published.filter(({ atMs, change }) => atMs > startMs && change === 'update');
  const activeIn = ({ set }: (typeof sent)[number]): string =>
    (set?.groups[0]?.targets ?? []).flatMap(({ address, state }) => (state === 'active' ? address : [])).join();
  const last = sent.findLast((each, i) => i === 0 || activeIn(each) !== activeIn(sent[i - 1] ?? each));
  const doneMs = (last?.atMs ?? startMs) - startMs;
  // What is only taken out of the list after it has drained is no part of how long a rollout takes.
  const sentMs = sent.map(({ atMs }) => atMs - startMs);
  return { events: changes.length, sentMs, doneMs };
}

/** When a load balancer is done that programs every update there is. */
function oneByOne(sentMs: readonly number[]): number {
  return sentMs.reduce((freeMs, atMs) => Math.max(freeMs, atMs) + MS_PER_UPDATE, 0);
}

/** When one is done that takes what is newest whenever it is free, as a reader of last values does. */
function newestState(sentMs: readonly number[]): number {
  const rolloutMs = sentMs.filter((atMs) => atMs <= ROLLOUT.pods * ROLLOUT.everyMs + 10_000);
  let freeMs = 0;
  for (let left = rolloutMs; left.length > 0; left = left.filter((atMs) => atMs > freeMs - MS_PER_UPDATE)) {
    freeMs = Math.max(freeMs, left[0] ?? 0) + MS_PER_UPDATE;
  }
  return freeMs;
}

function seconds1(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

interface Row {
  readonly kind: string;
  readonly measured: LbMeasurement;
}

function printChurn(): void {
  const rows = (['undamped', 'damped'] as const).map((kind): Row => ({ kind, measured: measure(kind) }));
  console.log(
    `\n${services} Services of ${pods} pods, SQLite log, ${changesPerSecond} changes a second for ${seconds} s and ${noOps} events without content for each:\n`,
  );
  console.log(
    formatTable<Row>(
      [
        { title: 'damping', value: ({ kind }) => (kind === 'damped' ? 'with' : 'without') },
        { title: 'first list to active', value: of(({ loadMs }) => `${(loadMs / 1000).toFixed(1)} s`) },
        { title: 'events', value: of(({ events }) => `${events}`) },
        { title: 'changes', value: of(({ changes }) => `${changes}`) },
        { title: 'updates', value: of(({ updates }) => `${updates}`) },
        { title: 'notes', value: of(({ notes }) => `${notes}`) },
        { title: 'removal p50', value: of(({ removals }) => percentile(removals, 'wallMs', 0.5)) },
        { title: 'p99', value: of(({ removals }) => percentile(removals, 'wallMs', 0.99)) },
        { title: 'p99 of its CPU', value: of(({ removals }) => percentile(removals, 'cpuMs', 0.99)) },
        { title: 'addition p50', value: of(({ additions }) => percentile(additions, 'wallMs', 0.5)) },
        { title: 'p99', value: of(({ additions }) => percentile(additions, 'wallMs', 0.99)) },
        { title: 'a node fails, p99', value: of(({ nodeRemovals }) => percentile(nodeRemovals, 'wallMs', 0.99)) },
        { title: 'of its CPU', value: of(({ nodeRemovals }) => percentile(nodeRemovals, 'cpuMs', 0.99)) },
        { title: 'CPU', value: of(({ cpuShare }) => `${(cpuShare * 100).toFixed(0)} %`) },
        { title: 'per change', value: of(({ cpuMsPerChange }) => `${cpuMsPerChange.toFixed(1)} ms`) },
        { title: 'peak memory', value: of(({ peakMiB }) => `${peakMiB.toFixed(0)} MiB`) },
      ],
      rows,
    ),
  );
}

function measure(kind: string): LbMeasurement {
  console.error(`${kind}, ${seconds} s …`);
  const script = fileURLToPath(new URL('lb-process.js', import.meta.url));
  const args = [script, kind, services, pods, seconds, changesPerSecond, noOps];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the bench process ended with code ${status}`);
  return JSON.parse(stdout) as LbMeasurement;
}

function of(show: (measured: LbMeasurement) => string): (row: Row) => string {
  return ({ measured }) => show(measured);
}

/** Nearest rank. */
function percentile(delays: readonly Delay[], kind: keyof Delay, share: number): string {
  const sorted = delays.map((delay) => delay[kind]).sort((left, right) => left - right);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return value === undefined ? '-' : `${value.toFixed(0)} ms`;
}
