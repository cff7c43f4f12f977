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
import type { LbMeasurement, Third } from './lb-process.ts';
import type { Hold } from './target-reader.ts';

const [services = '500', pods = '100', seconds = '30', changesPerSecond = '20', noOps = '5'] = process.argv.slice(2);
/** F5's users report 110 s for a rollout that took the pods 10 s: 2.2 s for each of 50 updates, one after the other. */
const MS_PER_UPDATE = 2_200;
/** From the event to the driver. */
const AIM_MS = 250;
const ROLLOUT = { pods: 50, everyMs: 200 };

console.log(`\n${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}.`);

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

interface Run {
  readonly title: string;
  readonly measured: LbMeasurement;
}

interface Row {
  readonly what: string;
  readonly show: (measured: LbMeasurement) => string;
}

/** The removals of a node that fails are the worst of the usual; those of an outage are mostly held, and say so. */
const ROWS: readonly Row[] = [
  { what: 'first list to active', show: ({ loadMs }) => seconds1(loadMs) },
  { what: 'events, of which changes', show: ({ events, changes }) => `${events}, ${changes}` },
  { what: 'updates sent', show: ({ updates }) => `${updates}` },
  { what: 'notes (nothing to program)', show: ({ notes }) => `${notes}` },
  { what: `removal, p50 and p99 (aim: ${AIM_MS} ms)`, show: ({ steady }) => p50p99(steady.removals, 'wallMs') },
  { what: '  its CPU', show: ({ steady }) => p50p99(steady.removals, 'cpuMs') },
  { what: '  held by policy', show: ({ steady }) => holds(steady.holds) },
  { what: 'addition, p50 and p99', show: ({ steady }) => p50p99(steady.additions, 'wallMs') },
  { what: '  past the time that policy gave it', show: ({ steady }) => p50p99(steady.additions, 'lateMs') },
  { what: 'a node fails: removals', show: ({ node }) => `${node.removals.length}` },
  { what: '  p50 and p99', show: ({ node }) => p50p99(node.removals, 'wallMs') },
  { what: '  its CPU', show: ({ node }) => p50p99(node.removals, 'cpuMs') },
  { what: '  held by policy', show: ({ node }) => holds(node.holds) },
  { what: '80 % of a Service fail: removals', show: ({ outage }) => `${outage.removals.length}` },
  { what: '  p99', show: ({ outage }) => percentile(outage.removals, 'wallMs', 0.99) },
  { what: '  held by policy', show: ({ outage }) => holds(outage.holds) },
  { what: 'removals never answered', show: ({ unanswered }) => `${unanswered}` },
  { what: 'CPU, share of a core', show: ({ cpuShare }) => `${(cpuShare * 100).toFixed(0)} %` },
  { what: '  per change', show: ({ cpuMsPerChange }) => `${cpuMsPerChange.toFixed(2)} ms` },
  { what: '  per event, by thirds of the run', show: byThirds(({ cpuMsPerEvent }) => cpuMsPerEvent.toFixed(2), 'ms') },
  { what: 'live heap, by thirds of the run', show: byThirds(({ heapMiB }) => heapMiB.toFixed(0), 'MiB') },
  { what: 'peak memory', show: ({ peakMiB }) => `${peakMiB.toFixed(0)} MiB` },
];

printRollout();
printChurn();

function printChurn(): void {
  const runs = (['undamped', 'damped'] as const).map(
    (kind): Run => ({ title: kind === 'damped' ? 'with damping' : 'without', measured: measure(kind) }),
  );
  console.log(
    `\n${services} Services of ${pods} pods, SQLite log, ${changesPerSecond} changes a second for ${seconds} s and ${noOps} events without content for each:\n`,
  );
  const columns = runs.map(({ title, measured }) => ({ title, value: ({ show }: Row) => show(measured) }));
  console.log(formatTable<Row>([{ title: '', value: ({ what }) => what }, ...columns], ROWS));
}

function measure(kind: string): LbMeasurement {
  console.error(`${kind}, ${seconds} s …`);
  const script = fileURLToPath(new URL('lb-process.js', import.meta.url));
  const args = ['--expose-gc', script, kind, services, pods, seconds, changesPerSecond, noOps];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the bench process ended with code ${status}`);
  return JSON.parse(stdout) as LbMeasurement;
}

/** How many for which reason, and how late the last of them was told of. */
function holds(held: readonly Hold[]): string {
  if (held.length === 0) return 'none';
  const reasons = [...new Set(held.map(({ reason }) => reason))];
  const counts = reasons.map((reason) => `${held.filter((each) => each.reason === reason).length} ${reason}`);
  return `${counts.join(', ')} (told in ${percentile(held, 'wallMs', 1)})`;
}

function byThirds(show: (third: Third) => string, unit: string): Row['show'] {
  return ({ thirds }) => `${thirds.map(show).join(', ')} ${unit}`;
}

function p50p99<K extends string>(delays: readonly Readonly<Record<K, number>>[], kind: K): string {
  return `${percentile(delays, kind, 0.5)}, ${percentile(delays, kind, 0.99)}`;
}

/** Nearest rank. */
function percentile<K extends string>(delays: readonly Readonly<Record<K, number>>[], kind: K, share: number): string {
  const sorted = delays.map((delay) => delay[kind]).sort((left, right) => left - right);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return value === undefined ? '-' : `${value.toFixed(0)} ms`;
}
