/** What was measured, as text: a table, then what the figures say beside those of others and of fewer cores. */
import { availableParallelism, cpus } from 'node:os';
import { formatTable } from '@signalbox/cli';
import type { Latency } from './dnsperf.ts';

export interface Row extends Latency {
  readonly program: string;
  readonly cores: number;
  readonly startMs: number;
  readonly rates: readonly number[];
  /** Of the server, user and kernel, for each query. Says more than the rate where other work shares the cores. */
  readonly cpuUs: number;
  readonly memoryMiB: number;
  /** From a change to its answer; only of ours. */
  readonly change: Latency | undefined;
}

export function reportText(rows: readonly Row[], services: number): string {
  return [
    '',
    `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), Node ${process.versions.node}, ${services} services, 100,000 names;`,
    'UDP, 95 % addresses and 5 % NXDOMAIN; dnsperf on cores of its own, or on those of the server where none is left;',
    'changes at 100 a second, beside 10,000 questions a second.',
    '',
    tableText(rows),
    '',
    ...rows.flatMap((row) => scalingText(rows, row)),
  ].join('\n');
}

function tableText(rows: readonly Row[]): string {
  return formatTable<Row>(
    [
      { title: 'server', value: (row) => row.program },
      { title: 'cores', value: (row) => row.cores },
      { title: 'queries/s (median of runs)', value: (row) => `${rateOf(row)} (${row.rates.join(', ')})` },
      { title: 'of bind', value: (row) => ratioText(row, find(rows, 'bind', row.cores)) },
      { title: 'by CPU', value: (row) => cpuRatioText(row, find(rows, 'bind', row.cores)) },
      { title: 'CPU a query', value: (row) => `${row.cpuUs.toFixed(1)} us` },
      { title: 'p50 at 10,000/s', value: (row) => `${row.p50Us} us` },
      { title: 'p99', value: (row) => `${row.p99Us} us` },
      { title: 'memory', value: (row) => `${Math.round(row.memoryMiB)} MiB` },
      { title: 'change seen, p50 / p99', value: ({ change }) => changeText(change) },
      { title: 'start to first answer', value: (row) => `${(row.startMs / 1000).toFixed(1)} s` },
    ],
    rows,
  );
}

/** By CPU time: how many times one core's queries they would answer with nobody else on them. */
function scalingText(rows: readonly Row[], row: Row): string[] {
  const alone = find(rows, row.program, 1);
  if (row.cores === 1 || alone === undefined) return [];
  const byCpu = (row.cores * alone.cpuUs) / row.cpuUs;
  const shared = availableParallelism() > row.cores ? '' : ', dnsperf on them too';
  return [
    `${row.program}: ${row.cores} cores ${ratioText(row, alone)} x one${shared}; by CPU time ${byCpu.toFixed(2)} x`,
  ];
}

function find(rows: readonly Row[], program: string, cores: number): Row | undefined {
  return rows.find((row) => row.program === program && row.cores === cores);
}

function ratioText(row: Row, base: Row | undefined): string {
  return base === undefined ? '' : (rateOf(row) / rateOf(base)).toFixed(2);
}

/** Queries for the same CPU time. */
function cpuRatioText(row: Row, base: Row | undefined): string {
  return base === undefined ? '' : (base.cpuUs / row.cpuUs).toFixed(2);
}

function rateOf({ rates }: Row): number {
  return [...rates].sort((left, right) => left - right)[Math.floor(rates.length / 2)] ?? 0;
}

function changeText(change: Latency | undefined): string {
  return change === undefined ? '' : `${(change.p50Us / 1000).toFixed(1)} / ${(change.p99Us / 1000).toFixed(1)} ms`;
}
