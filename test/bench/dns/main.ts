/**
 * `npm run bench:dns`: queries a second, latency and memory of the DNS server at 10,000 services with 100,000 names, and in
 * the same run those of a server that decodes and encodes each packet with dns-packet, and of NSD, Knot and BIND with the
 * same zone where they are installed. The server has the first core, dnsperf the second; with two cores both have both, so
 * that only CPU time says anything on a machine that has no more. Then, of ours: from a change in the log to the first
 * answer that shows it. Prints a table; decides nothing. An argument leaves only the servers whose name begins with it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatTable } from '@signalbox/cli';
import { measureChanges } from './changes.ts';
import { type Contender, contenders } from './contenders.ts';
import { type Latency, measureLatency, measureRate, warmUp } from './dnsperf.ts';
import { benchZone, queryFile } from './zone.ts';

interface Row extends Latency {
  readonly name: string;
  readonly startMs: number;
  readonly rates: readonly number[];
  /** Of the server, user and kernel, for each query. Says more than the rate where other work shares the cores. */
  readonly cpuUs: number;
  readonly memoryMiB: number;
  /** From a change to its answer; only of ours. */
  readonly change: Latency | undefined;
}

const SERVICES = 10_000;
const ROUNDS = 3;
const SECONDS = 4;

const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-dns-'));
try {
  const zone = benchZone(SERVICES);
  await writeFile(join(folder, 'zone'), zone.text);
  await writeFile(join(folder, 'queries'), queryFile(zone));
  const rows: Row[] = [];
  const wanted = process.argv[2] ?? '';
  for (const contender of contenders(folder, SERVICES).filter(({ name }) => name.startsWith(wanted))) {
    const row = await measure(contender);
    if (row !== undefined) rows.push(row);
  }
  print(rows);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(contender: Contender): Promise<Row | undefined> {
  const started = performance.now();
  const server = await contender.start();
  if (server === undefined) {
    console.error(`${contender.name} is left out: not installed`);
    return undefined;
  }
  console.error(`${contender.name} …`);
  const startMs = performance.now() - started;
  try {
    const queries = { file: join(folder, 'queries'), port: server.port, isPinned: contender.cores === 1 };
    // Nothing that is made at a name's first question is left to be made.
    await warmUp(queries, 3);
    const rates: number[] = [];
    let answered = 0;
    const cpuBefore = server.cpuSeconds();
    for (let round = 0; round < ROUNDS; round += 1) {
      const rate = await measureRate(queries, SECONDS);
      rates.push(rate.perSecond);
      answered += rate.answered;
    }
    const cpuUs = ((server.cpuSeconds() - cpuBefore) / answered) * 1e6;
    const latency = await measureLatency(queries, { perSecond: 10_000, seconds: SECONDS });
    const memoryMiB = server.memoryMiB();
    const isOurs = contender.name.startsWith('signalbox');
    const change = isOurs ? await measureChanges(queries, (what) => server.change(what)) : undefined;
    return { name: contender.name, startMs, rates, cpuUs, ...latency, memoryMiB, change };
  } finally {
    await server.stop();
  }
}

function print(rows: readonly Row[]): void {
  console.log(
    `\n${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, ${SERVICES} services, 100,000 names;`,
  );
  console.log(
    'UDP, 95 % addresses and 5 % NXDOMAIN; server on one core, dnsperf on another, except where several are named;',
  );
  console.log('changes at 100 a second, beside 10,000 questions a second.\n');
  const best = (row: Row) => median(row.rates);
  console.log(
    formatTable<Row>(
      [
        { title: 'server', value: (row) => row.name },
        { title: 'queries/s (median of runs)', value: (row) => `${best(row)} (${row.rates.join(', ')})` },
        { title: 'of the first', value: (row) => (best(row) / best(rows[0] ?? row)).toFixed(2) },
        { title: 'CPU a query', value: (row) => `${row.cpuUs.toFixed(1)} us` },
        { title: 'p50 at 10,000/s', value: (row) => `${row.p50Us} us` },
        { title: 'p99', value: (row) => `${row.p99Us} us` },
        { title: 'memory', value: (row) => `${Math.round(row.memoryMiB)} MiB` },
        { title: 'change seen, p50 / p99', value: ({ change }) => changeText(change) },
        { title: 'start to first answer', value: (row) => `${(row.startMs / 1000).toFixed(1)} s` },
      ],
      rows,
    ),
  );
}

function changeText(change: Latency | undefined): string {
  return change === undefined ? '' : `${(change.p50Us / 1000).toFixed(1)} / ${(change.p99Us / 1000).toFixed(1)} ms`;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}
