/** dnsperf, and what it prints. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';

export interface Queries {
  readonly file: string;
  readonly port: number;
  readonly load: Load;
}

/** Where dnsperf runs. */
export interface Load {
  /** Of its own, as `taskset` has them; undefined: it shares those of the server. */
  readonly cores: string | undefined;
  readonly threads: number;
}

/** On the cores that the server leaves, which has the first ones. */
export function loadBeside(serverCores: number): Load {
  const all = availableParallelism();
  const threads = all - serverCores;
  return threads > 0 ? { cores: `${serverCores}-${all - 1}`, threads } : { cores: undefined, threads: 1 };
}

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface Rate {
  readonly perSecond: number;
  readonly answered: number;
}

/** Each question so often, whatever the time. */
export async function warmUp(queries: Queries, passes: number): Promise<void> {
  await dnsperf(queries, ['-n', `${passes}`, '-q', '100'], () => {});
}

/** Beside other work; stops after so many seconds. */
export async function askAlong(queries: Queries, { perSecond, seconds }: Pace): Promise<void> {
  await dnsperf(queries, ['-l', `${seconds}`, '-Q', `${perSecond}`], () => {});
}

interface Pace {
  readonly perSecond: number;
  readonly seconds: number;
}

export async function measureRate(queries: Queries, seconds: number): Promise<Rate> {
  let perSecond = 0;
  let answered = 0;
  await dnsperf(queries, ['-l', `${seconds}`, '-q', isOne(queries.load) ? '100' : '200'], (line) => {
    perSecond = Number(/Queries per second:\s+([\d.]+)/.exec(line)?.[1] ?? perSecond);
    answered = Number(/Queries completed:\s+(\d+)/.exec(line)?.[1] ?? answered);
  });
  return { perSecond: Math.round(perSecond), answered };
}

/** From each query's line, so it holds dnsperf's own pauses as well. */
export async function measureLatency(queries: Queries, { perSecond, seconds }: Pace): Promise<Latency> {
  const tookUs: number[] = [];
  await dnsperf(queries, ['-l', `${seconds}`, '-Q', `${perSecond}`, '-v'], (line) => {
    const took = /^> \S+ \S+ \S+ ([\d.]+)$/.exec(line)?.[1];
    if (took !== undefined) tookUs.push(Math.round(Number(took) * 1e6));
  });
  return percentiles(tookUs);
}

export function percentiles(tookUs: readonly number[]): Latency {
  const sorted = [...tookUs].sort((left, right) => left - right);
  const percentile = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  return { p50Us: percentile(0.5), p99Us: percentile(0.99) };
}

async function dnsperf(
  { file, port, load }: Queries,
  options: string[],
  onLine: (line: string) => void,
): Promise<void> {
  const clients = ['-c', isOne(load) ? '4' : '32', '-T', `${load.threads}`];
  const args = ['-s', '127.0.0.1', '-p', `${port}`, '-d', file, ...clients, ...options];
  const command = load.cores === undefined ? ['dnsperf', ...args] : ['taskset', '-c', load.cores, 'dnsperf', ...args];
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) onLine(line);
  const [code] = await exited;
  if (code !== 0) throw new Error(`dnsperf ended with code ${code}`);
}

/** One core asks, another answers. */
function isOne({ cores, threads }: Load): boolean {
  return cores !== undefined && threads === 1;
}
