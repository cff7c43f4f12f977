/**
 * One run of `npm run bench:lb`: the load-balancer worker on a SQLite log, a cluster that lives beside it in the same
 * process (whose share of CPU is taken off), and a reader of the target groups. Prints its measurements as JSON.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type LoadBalancerPolicySpec,
  type LogObject,
  objectSubject,
  TARGETS_WATERMARK_SUBJECT,
  type TargetGroupSet,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry, startWorkers } from '@signalbox/kit';
import { lbWorker, startTargetGroups } from '@signalbox/lb-worker';
import { seededRandom } from '../harness/cluster-changes.ts';
import { aCluster, upsertOf } from '../harness/objects.ts';
import { type Change, Churn } from './lb-churn.ts';

/** From the event to the published set. CPU time is that of the whole process, whatever else runs on the machine. */
export interface Delay {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface LbMeasurement {
  readonly loadMs: number;
  readonly events: number;
  readonly changes: number;
  readonly updates: number;
  readonly notes: number;
  readonly removals: readonly Delay[];
  readonly additions: readonly Delay[];
  readonly nodeRemovals: readonly Delay[];
  readonly cpuShare: number;
  readonly cpuMsPerChange: number;
  readonly peakMiB: number;
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

/** Follows target groups as a driver does, and times what the cluster asked for. */
class TargetReader {
  updates = 0;
  notes = 0;
  cpuMs = 0;
  additions: Delay[] = [];
  readonly #sets = new Map<string, { readonly hash: string | undefined; readonly active: ReadonlySet<string> }>();
  readonly #askedOut = new Map<string, Delay>();
  readonly #askedIn = new Map<string, Delay>();
  #removals: Delay[] = [];

  get active(): number {
    return [...this.#sets.values()].reduce((sum, { active }) => sum + active.size, 0);
  }

  get waitingRemovals(): number {
    return this.#askedOut.size;
  }

  reset(): void {
    this.updates = 0;
    this.notes = 0;
    this.cpuMs = 0;
  }

  takeRemovals(): Delay[] {
    const taken = this.#removals;
    this.#removals = [];
    return taken;
  }

  expect({ slice, removed, added }: Change): void {
    const active = this.#sets.get(slice.metadata.name.replace(/-1$/, ''))?.active;
    for (const address of removed) {
      this.#askedIn.delete(address);
      if (active?.has(address)) this.#askedOut.set(address, now());
    }
    for (const address of added) {
      this.#askedOut.delete(address);
      this.#askedIn.set(address, now());
    }
  }

  async run(from: EventLog): Promise<void> {
    for await (const batch of from.follow('targets', { from: 'snapshot' })) {
      const cpu = process.cpuUsage();
      for (const { subject, data } of batch.messages) {
        if (subject !== TARGETS_WATERMARK_SUBJECT && data !== null) this.#read(JSON.parse(data) as TargetGroupSet);
      }
      this.cpuMs += cpuMsSince(cpu);
    }
  }

  #read(set: TargetGroupSet): void {
    const before = this.#sets.get(set.name);
    if (before?.hash === set.programHash) {
      this.notes += 1;
      return;
    }
    this.updates += 1;
    const live = set.groups[0]?.targets.filter(({ state }) => state === 'active') ?? [];
    const active = new Set(live.map(({ address }) => address));
    this.#sets.set(set.name, { hash: set.programHash, active });
    const at = now();
    for (const address of before?.active ?? []) {
      if (!active.has(address)) settle(this.#askedOut, address, at, this.#removals);
    }
    for (const address of active) {
      if (!before?.active.has(address)) settle(this.#askedIn, address, at, this.additions);
    }
  }
}

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

const steady = await live(Number(seconds));
await sleep(1_000);
const removals = reader.takeRemovals();
const nodeEvents = churn.turnNode('node-7', false);
for (const each of nodeEvents) reader.expect(each);
await log.appendAll(
  'objects',
  nodeEvents.map(({ slice }) => upsertOf(CLUSTER, slice, Date.now())),
);
await until(() => reader.waitingRemovals === 0);
const measurement: LbMeasurement = {
  ...steady,
  loadMs,
  removals,
  additions: reader.additions,
  nodeRemovals: reader.takeRemovals(),
  peakMiB: process.resourceUsage().maxRSS / 1024,
};
await workers.stop();
await targets.stop();
await log.close();
await reading;
await rm(folder, { recursive: true, force: true });
console.log(JSON.stringify(measurement));

async function live(forSeconds: number) {
  reader.reset();
  const started = { cpu: process.cpuUsage(), atMs: Date.now() };
  const total = forSeconds * Number(changesPerSecond);
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
  const cpuMs = cpuMsSince(started.cpu) - ownCpuMs - reader.cpuMs;
  const { updates, notes } = reader;
  const cpuShare = cpuMs / (Date.now() - started.atMs);
  return { events, changes, updates, notes, cpuShare, cpuMsPerChange: cpuMs / changes };
}

function settle(asked: Map<string, Delay>, address: string, at: Delay, into: Delay[]): void {
  const asking = asked.get(address);
  if (asking === undefined) return;
  asked.delete(address);
  into.push({ wallMs: at.wallMs - asking.wallMs, cpuMs: at.cpuMs - asking.cpuMs });
}

function now(): Delay {
  const { user, system } = process.cpuUsage();
  return { wallMs: Date.now(), cpuMs: (user + system) / 1000 };
}

function policyEntry(spec: LoadBalancerPolicySpec) {
  const object: LogObject = { kind: 'LoadBalancerPolicy', metadata: { name: 'bench' }, spec };
  const message = { cluster: '', resourceVersion: '', changedAtMs: Date.now(), object };
  return { subject: objectSubject('', object), data: JSON.stringify(message) };
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 120_000;
  while (!condition()) {
    if (Date.now() > deadlineMs) throw new Error('the target groups never came to it');
    await sleep(20);
  }
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
