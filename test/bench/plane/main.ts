/** `npm run bench:plane`: the plane as separate processes. Prints tables; decides nothing. */
import { cpus } from 'node:os';
import { formatTable } from '@signalbox/cli';
import { natsServerMissing } from '../../harness/nats-server.ts';
import { AGENTS_PER_CONNECTION, type AgentsMeasurement } from './measure-agents.ts';
import { measurePlane, type PlaneMeasurement, type ReplicasMeasurement } from './measure-plane.ts';
import { readOptions } from './options.ts';

// Every process that is started is killed when this one ends, also when it is interrupted.
process.setMaxListeners(0);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const options = readOptions(process.argv.slice(2));
if (options !== undefined) {
  const missing = natsServerMissing();
  if (missing !== undefined) throw new Error(missing);
  const measured: PlaneMeasurement[] = [];
  for (const natsServers of options.natsServers) measured.push(await measurePlane(natsServers, options));
  printTables(measured);
}

function printTables(measured: readonly PlaneMeasurement[]): void {
  const [first] = measured;
  console.log(`\n${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}.`);
  console.log('API server, NATS, simulated agents and the plane share them, each in a process of its own.');
  console.log(
    `\n${first?.services} Services of 10 endpoints; each is changed once, as fast as the API server takes it:\n`,
  );
  printBursts(measured);
  console.log(
    '\nOne change at a time, from its append until it is acknowledged (stored to stored), and until the API says',
  );
  console.log(
    `that all have it. "follow": a subscription each, ${AGENTS_PER_CONNECTION} on a connection; "told": they share one:\n`,
  );
  printAgents(measured);
  console.log('\nAn API that begins with an empty store:\n');
  printReplays(measured);
  console.log('\nProcesses at the end:\n');
  printProcesses(measured);
}

function printBursts(measured: readonly PlaneMeasurement[]): void {
  type Row = PlaneMeasurement & { readonly one: ReplicasMeasurement };
  const rows = measured.flatMap((plane) => plane.replicas.map((one): Row => ({ ...plane, one })));
  console.log(
    formatTable<Row>(
      [
        { title: 'nats-servers', value: (row) => row.natsServers },
        { title: 'of each worker', value: ({ one }) => one.replicas },
        { title: 'first list to ready', value: (row) => (row.one.replicas > 1 ? '' : seconds(row.firstListMs)) },
        { title: 'all derived after', value: ({ one }) => seconds(one.burstMs) },
        { title: 'events/s', value: (row) => Math.round((row.services / row.one.burstMs) * 1000) },
        { title: 'CPU of workers', value: ({ one }) => `${one.workersCpuSeconds.toFixed(1)} s` },
        { title: 'memory of workers', value: ({ one }) => mebibytes(one.workersPeakMiB) },
      ],
      rows,
    ),
  );
}

function printAgents(measured: readonly PlaneMeasurement[]): void {
  type Row = AgentsMeasurement & Pick<PlaneMeasurement, 'natsServers'>;
  const rows = measured.flatMap(({ natsServers, agents }) => agents.map((one): Row => ({ ...one, natsServers })));
  console.log(
    formatTable<Row>(
      [
        { title: 'nats-servers', value: (row) => row.natsServers },
        { title: 'agents', value: (row) => row.agents },
        { title: 'they', value: (row) => (row.kind === 'subscribed' ? 'follow' : 'are told') },
        { title: 'all do after', value: (row) => seconds(row.startMs) },
        { title: 'acknowledged p50', value: (row) => percentile(row.acknowledgedMs, 0.5) },
        { title: 'p99', value: (row) => percentile(row.acknowledgedMs, 0.99) },
        { title: 'converged p50', value: (row) => percentile(row.convergedMs, 0.5) },
        { title: 'p99', value: (row) => percentile(row.convergedMs, 0.99) },
        { title: 'API CPU per change', value: (row) => `${Math.round(row.apiCpuMsPerChange)} ms` },
        { title: 'memory of agents', value: (row) => mebibytes(row.agentsCost.peakMiB) },
      ],
      rows,
    ),
  );
}

function printReplays(measured: readonly PlaneMeasurement[]): void {
  console.log(
    formatTable<PlaneMeasurement>(
      [
        { title: 'nats-servers', value: (row) => row.natsServers },
        { title: 'services', value: (row) => row.services },
        { title: 'start to ready', value: (row) => seconds(row.replayMs) },
        { title: 'CPU', value: (row) => `${row.replayCost.cpuSeconds.toFixed(1)} s` },
        { title: 'peak memory', value: (row) => mebibytes(row.replayCost.peakMiB) },
      ],
      measured,
    ),
  );
}

function printProcesses(measured: readonly PlaneMeasurement[]): void {
  const rows = measured.flatMap(({ natsServers, processes }) => processes.map((one) => ({ ...one, natsServers })));
  console.log(
    formatTable<(typeof rows)[number]>(
      [
        { title: 'nats-servers', value: (row) => row.natsServers },
        { title: 'process', value: (row) => row.name },
        { title: 'CPU', value: (row) => `${row.cpuSeconds.toFixed(1)} s` },
        { title: 'peak memory', value: (row) => mebibytes(row.peakMiB) },
      ],
      rows,
    ),
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function mebibytes(count: number): string {
  return `${Math.round(count)} MiB`;
}

/** Nearest rank. */
function percentile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? '-'} ms`;
}
