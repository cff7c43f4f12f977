/**
 * `npm run bench`: events through watcher → log → three workers → store, on both logs, at 1,000 and 10,000 services of 10
 * endpoints. Prints a table; decides nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatTable } from '@signalbox/cli';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import type { ClusterCommand, ClusterReady } from './cluster-process.ts';
import type { PlaneAnswer, PlaneCommand } from './plane-process.ts';

interface Row {
  readonly log: string;
  readonly services: number;
  readonly coldMs: number;
  readonly restartMs: number;
  readonly burstPerSecond: number;
  readonly delaysMs: readonly number[];
  readonly peakMiB: number;
}

const SIZES = [1000, 10_000];
const STEADY = { count: 1000, perSecond: 100 };

const rows: Row[] = [];
for (const services of SIZES) {
  rows.push(await measure('SQLite', services, undefined));
  const missing = natsServerMissing();
  if (missing !== undefined) {
    console.error(`JetStream is left out: ${missing}`);
    continue;
  }
  const nats = await startNatsServer();
  try {
    rows.push(await measure('JetStream', services, nats.url));
  } finally {
    await nats.stop();
  }
}
print(rows);

async function measure(log: string, services: number, natsUrl: string | undefined): Promise<Row> {
  console.error(`${log}, ${services} services of 10 endpoints …`);
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-'));
  const cluster = fork(new URL('cluster-process.js', import.meta.url), [String(services), join(folder, 'kubeconfig')]);
  const { kubeconfig } = await answerOf<ClusterReady>(cluster);
  const command: PlaneCommand = { type: 'start', kubeconfig, dataDir: join(folder, 'data'), natsUrl };
  const plane = startPlaneProcess();
  const cold = await ask(plane, command);
  const [burst] = await Promise.all([
    ask(plane, { type: 'settle', events: services }),
    tell(cluster, { type: 'burst', count: services }),
  ]);
  await ask(plane, { type: 'watchDelays' });
  const count = Math.min(STEADY.count, services);
  await Promise.all([
    ask(plane, { type: 'settle', events: count }),
    tell(cluster, { ...STEADY, type: 'steady', count }),
  ]);
  const { delaysMs, peakMiB } = await ask(plane, { type: 'watchDelays' });
  await ask(plane, { type: 'stop' });
  plane.disconnect();
  await once(plane, 'exit');
  const again = startPlaneProcess();
  const restart = await ask(again, command);
  await ask(again, { type: 'stop' });
  again.disconnect();
  cluster.disconnect();
  await rm(folder, { recursive: true, force: true });
  return {
    log,
    services,
    coldMs: cold.elapsedMs,
    restartMs: restart.elapsedMs,
    burstPerSecond: (services / burst.elapsedMs) * 1000,
    delaysMs,
    peakMiB,
  };
}

function startPlaneProcess(): ChildProcess {
  return fork(new URL('plane-process.js', import.meta.url));
}

async function ask(plane: ChildProcess, command: PlaneCommand): Promise<PlaneAnswer> {
  const answer = answerOf<PlaneAnswer>(plane);
  plane.send(command);
  return await answer;
}

async function tell(cluster: ChildProcess, command: ClusterCommand): Promise<void> {
  const answer = answerOf(cluster);
  cluster.send(command);
  await answer;
}

async function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  const gone = new AbortController();
  const exited = once(child, 'exit', { signal: gone.signal }).then(
    ([code]) => Promise.reject(new Error(`a bench process ended with code ${code}`)),
    () => new Promise<never>(() => {}),
  );
  const [message] = await Promise.race([once(child, 'message'), exited]);
  gone.abort();
  return message as Answer;
}

function print(measured: readonly Row[]): void {
  console.log(
    `\n${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}; one process holds watcher, workers and store;`,
  );
  console.log(`the API server is another process. Steady: ${STEADY.perSecond} changes a second.\n`);
  console.log(
    formatTable<Row>(
      [
        { title: 'log', value: (row) => row.log },
        { title: 'services', value: (row) => row.services },
        { title: 'first list to stored', value: (row) => seconds(row.coldMs) },
        { title: 'restart to ready', value: (row) => seconds(row.restartMs) },
        { title: 'burst events/s', value: (row) => Math.round(row.burstPerSecond) },
        { title: 'change to derived p50', value: (row) => `${percentile(row.delaysMs, 0.5)} ms` },
        { title: 'p99', value: (row) => `${percentile(row.delaysMs, 0.99)} ms` },
        { title: 'peak memory', value: (row) => `${Math.round(row.peakMiB)} MiB` },
      ],
      measured,
    ),
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** Nearest rank. */
function percentile(values: readonly number[], share: number): number | string {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? '-';
}
