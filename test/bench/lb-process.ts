/**
 * One run of `npm run bench:lb`: the load-balancer worker on a SQLite log, a cluster that lives beside it in the same
 * process (whose share of CPU is taken off), and a reader of the target groups. Prints its measurements as JSON.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadBalancerPolicySpec, type LogObject, objectSubject } from '@signalbox/contracts';
import { openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, startWorkers } from '@signalbox/kit';
import { lbWorker, startTargetGroups } from '@signalbox/lb-worker';
import { seededRandom } from '../harness/cluster-changes.ts';
import { aCluster, upsertOf } from '../harness/objects.ts';
import { type Change, Churn } from './lb-churn.ts';
import { type Answers, cpuMsSince, TargetReader } from './target-reader.ts';

/** A third of the run: what grows with time differs between them. */
export interface Third {
  readonly cpuMsPerEvent: number;
  /** Live objects, after a collection. */
  readonly heapMiB: number;
}

export interface LbMeasurement {
  readonly loadMs: number;
  readonly events: number;
  readonly changes: number;
  readonly updates: number;
  readonly notes: number;
  readonly cpuShare: number;
  readonly cpuMsPerChange: number;
  readonly steady: Answers;
  /** One node stops being ready: each Service loses one pod at most. */
  readonly node: Answers;
  /** One Service loses four fifths of its pods at once. */
  readonly outage: Answers;
  /** Removals that nobody answered within two minutes. */
  readonly unanswered: number;
  readonly thirds: readonly Third[];
  readonly peakMiB: number;
}

interface Lived extends Pick<LbMeasurement, 'events' | 'changes' | 'updates' | 'notes'> {
  readonly cpuMs: number;
  readonly wallMs: number;
}

const CLUSTER = 'eu';
const UNDAMPED: LoadBalancerPolicySpec = {
  loadBalancerClass: '',
  additions: { windowMs: 0, maxDelayMs: 0 },
  flapping: { penalty: 0 },
  massRemoval: { minShare: 0 },
  drainMs: 0,
  updates: { perSecond: 1_000_000, burst: 1_000_000 },
};
const TICK_MS = 25;
const PATIENCE_MS = 120_000;
const THIRDS = 3;

const [kind = 'damped', services = '500', pods = '100', seconds = '30', changesPerSecond = '20', noOps = '5'] =
  process.argv.slice(2);

const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-lb-'));
const log = openSqliteEventLog({ path: join(folder, 'events.db') });
const context = () => ({
  log,
  logger: createLogger({ component: 'bench', level: 'silent' }),
  registry: createRegistry(),
});
const churn = new Churn(Number(services), Number(pods), seededRandom(7));
const targets = await startTargetGroups(context());
const workers = await startWorkers(context(), [lbWorker]);
const reader = new TargetReader();
const reading = reader.run(log);

if (kind === 'undamped') await log.append('objects', policyEntry(UNDAMPED));
const loadedAtMs = Date.now();
const entries = [...churn.objects(), aCluster(CLUSTER)].map((object) => upsertOf(CLUSTER, object, Date.now()));
for (let i = 0; i < entries.length; i += 100) await log.appendAll('objects', entries.slice(i, i + 100));
await until(() => reader.active >= Number(services) * Number(pods));
const loadMs = Date.now() - loadedAtMs;
reader.takeAnswers();

const lived: Lived[] = [];
const heapMiB: number[] = [];
for (let third = 0; third < THIRDS; third += 1) {
  // Full collections are slow, and what is compiled has to warm up after them: none just before what counts.
  if (third > 0) heapMiB.push(liveHeapMiB());
  lived.push(await live(Number(seconds) / THIRDS));
}
const steady = reader.takeAnswers();
const node = await answersTo(churn.turnNode('node-7', false));
const outage = await answersTo([churn.breakDeployment(0.8)]);
heapMiB.push(liveHeapMiB());
const sum = (of: (part: Lived) => number) => lived.reduce((total, part) => total + of(part), 0);
const measurement: LbMeasurement = {
  loadMs,
  events: sum(({ events }) => events),
  changes: sum(({ changes }) => changes),
  updates: sum(({ updates }) => updates),
  notes: sum(({ notes }) => notes),
  cpuShare: sum(({ cpuMs }) => cpuMs) / sum(({ wallMs }) => wallMs),
  cpuMsPerChange: sum(({ cpuMs }) => cpuMs) / sum(({ changes }) => changes),
  steady,
  node,
  outage,
  unanswered: reader.waitingRemovals,
  thirds: lived.map(({ cpuMs, events }, third) => ({ cpuMsPerEvent: cpuMs / events, heapMiB: heapMiB[third] ?? 0 })),
  peakMiB: process.resourceUsage().maxRSS / 1024,
};
await workers.stop();
await targets.stop();
await log.close();
await reading;
await rm(folder, { recursive: true, force: true });
console.log(JSON.stringify(measurement));

/** Ends when all removals are answered, so that measuring memory is in nobody's way. */
async function live(forSeconds: number): Promise<Lived> {
  const before = { updates: reader.updates, notes: reader.notes, readingMs: reader.cpuMs };
  const started = { cpu: process.cpuUsage(), atMs: Date.now() };
  const total = Math.round(forSeconds * Number(changesPerSecond));
  let [changes, events, ownCpuMs] = [0, 0, 0];
  while (changes < total) {
    const due = Math.min(total, Math.floor(((Date.now() - started.atMs) / 1000) * Number(changesPerSecond)));
    for (; changes < due; changes += 1) {
      const cpu = process.cpuUsage();
      const change = churn.next();
      const nothing = Array.from({ length: Number(noOps) }, () => churn.nothing());
      const batch = [...nothing, change.slice].map((slice) => upsertOf(CLUSTER, slice, Date.now()));
      reader.expect(change);
      ownCpuMs += cpuMsSince(cpu);
      await log.appendAll('objects', batch);
      events += batch.length;
    }
    await sleep(TICK_MS);
  }
  await until(() => reader.waitingRemovals === 0);
  const cpuMs = cpuMsSince(started.cpu) - ownCpuMs - (reader.cpuMs - before.readingMs);
  const wallMs = Date.now() - started.atMs;
  return {
    events,
    changes,
    updates: reader.updates - before.updates,
    notes: reader.notes - before.notes,
    cpuMs,
    wallMs,
  };
}

function liveHeapMiB(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

async function answersTo(changes: readonly Change[]): Promise<Answers> {
  const entries = changes.map(({ slice }) => upsertOf(CLUSTER, slice, Date.now()));
  for (const change of changes) reader.expect(change);
  await log.appendAll('objects', entries);
  await until(() => reader.waitingRemovals === 0);
  return reader.takeAnswers();
}

function policyEntry(spec: LoadBalancerPolicySpec) {
  const object: LogObject = { kind: 'LoadBalancerPolicy', metadata: { name: 'bench' }, spec };
  const message = { cluster: '', resourceVersion: '', changedAtMs: Date.now(), object };
  return { subject: objectSubject('', object), data: JSON.stringify(message) };
}

/** What never comes is for the measurement to tell. */
async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!condition() && Date.now() < deadlineMs) await sleep(20);
}
