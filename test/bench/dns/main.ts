/**
 * `npm run bench:dns`: queries a second, latency and memory of the DNS server at 10,000 services with 100,000 names, and in
 * the same run those of a server that decodes and encodes each packet with dns-packet, and of NSD, Knot and BIND with the
 * same zone where they are installed. The server has the first core, or the first two, and dnsperf the others; on a machine of
 * two cores both have both, so that only CPU time says anything of servers on two. Then, of ours: from a change in the log to
 * the first answer that shows it. Prints a table; decides nothing. An argument leaves only the servers whose name begins with it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureChanges } from './changes.ts';
import { type Contender, contenders } from './contenders.ts';
import { loadBeside, measureLatency, measureRate, warmUp } from './dnsperf.ts';
import { type Row, reportText } from './report.ts';
import { benchZone, queryFile } from './zone.ts';

const SERVICES = 10_000;
const ROUNDS = 3;
const SECONDS = 4;
/** So that nothing is left to be made that is made at a name's first question. */
const PASSES = 3;
/** Each process makes its own, and which one is asked is chance: after ten passes one of two has not met 0.1 % of the names. */
const PASSES_OF_SEVERAL = 10;

const folder = await mkdtemp(join(tmpdir(), 'signalbox-bench-dns-'));
try {
  const zone = benchZone(SERVICES);
  await writeFile(join(folder, 'zone'), zone.text);
  await writeFile(join(folder, 'queries'), queryFile(zone));
  const rows: Row[] = [];
  const wanted = process.argv[2] ?? '';
  for (const contender of contenders(folder, SERVICES).filter(({ program }) => program.startsWith(wanted))) {
    const row = await measure(contender);
    if (row !== undefined) rows.push(row);
  }
  console.log(reportText(rows, SERVICES));
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(contender: Contender): Promise<Row | undefined> {
  const started = performance.now();
  const server = await contender.start();
  if (server === undefined) {
    console.error(`${contender.program} is left out: not installed`);
    return undefined;
  }
  console.error(`${contender.program}, cores: ${contender.cores} …`);
  const startMs = performance.now() - started;
  try {
    const queries = { file: join(folder, 'queries'), port: server.port, load: loadBeside(contender.cores) };
    await warmUp(queries, contender.cores === 1 ? PASSES : PASSES_OF_SEVERAL);
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
    const { program, cores } = contender;
    const isOurs = program.startsWith('signalbox');
    const change = isOurs ? await measureChanges(queries, (what) => server.change(what)) : undefined;
    return { program, cores, startMs, rates, cpuUs, ...latency, memoryMiB, change };
  } finally {
    await server.stop();
  }
}
