/**
 * `npm run bench:rules [-- nftables,iptables,ipvs 1000,10000]`: each backend from nothing to programmed, and one endpoint's
 * change, in network namespaces; first the rules and their programs alone, then a node agent behind an event log. Needs
 * root. Prints tables; decides nothing.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { formatTable } from '@signalbox/cli';
import type { AgentMeasurement } from './agent-measurement.ts';
import type { RulesMeasurement } from './rules-process.ts';

const [backends = 'nftables,iptables,ipvs', sizes = '1000,5000,10000'] = process.argv.slice(2);
const CHANGES: Readonly<Record<string, number>> = { nftables: 200, iptables: 20, ipvs: 200 };
/** So slow that one number is enough to say so. */
const TIME_LIMIT_MS = 300_000;

interface Row<Measured> {
  readonly backend: string;
  readonly services: string;
  readonly measured: Measured | string;
}

type Show<Measured> = (measured: Measured) => string;

const hasIpvs = spawnSync('unshare', ['-n', 'ipvsadm', '--list']).status === 0;

console.log('Rules and their programs:');
if (!hasIpvs) console.log('(ipvs: this kernel has no IPVS, so its programs are not run: `npm run test:ipvs` has one.)');
printTable(
  (backend, services) => {
    const isRendered = backend === 'ipvs' && !hasIpvs;
    return measure('rules-process', backend, services, ...(isRendered ? ['render'] : [])) as RulesMeasurement | string;
  },
  [
    ['rendered', ({ renderMs }) => seconds(renderMs)],
    ['cold start', ({ coldMs, isRun }) => (isRun ? seconds(coldMs) : 'not run')],
    ['its cpu', ({ coldCpuMs, isRun }) => (isRun ? seconds(coldCpuMs) : 'not run')],
    ['change p50', ({ changesMs, isRun }) => (isRun ? milliseconds(percentile(changesMs, 50)) : 'not run')],
    ['p99', ({ changesMs, isRun }) => (isRun ? milliseconds(percentile(changesMs, 99)) : 'not run')],
    ['of it in node p50', ({ updatesMs }) => milliseconds(percentile(updatesMs, 50))],
    ['p99', ({ updatesMs }) => milliseconds(percentile(updatesMs, 99))],
    ['agent peak', ({ agentPeakMiB }) => mebibytes(agentPeakMiB)],
    ['nft peak', ({ programPeakMiB }) => mebibytes(programPeakMiB)],
  ],
);

console.log(
  '\nA node agent behind an event log (NATS on loopback), from an append until the kernel is programmed, and',
);
console.log('until the acknowledgement has come; then one comparison of the kernel with the plans:');
printTable(
  (backend, services) =>
    backend === 'ipvs' ? 'not run' : (measure('agent-measurement', backend, services) as AgentMeasurement | string),
  [
    ['cold start', ({ coldMs }) => seconds(coldMs)],
    ['change p50', ({ programmedMs }) => milliseconds(percentile(programmedMs, 50))],
    ['p99', ({ programmedMs }) => milliseconds(percentile(programmedMs, 99))],
    ['acknowledged p50', ({ acknowledgedMs }) => milliseconds(percentile(acknowledgedMs, 50))],
    ['p99', ({ acknowledgedMs }) => milliseconds(percentile(acknowledgedMs, 99))],
    ['agent', ({ agentMiB }) => mebibytes(agentMiB)],
    ['peak', ({ agentPeakMiB }) => mebibytes(agentPeakMiB)],
    ['loop blocked by a comparison', ({ driftBlockMs }) => milliseconds(driftBlockMs)],
    ['peak with it', ({ driftPeakMiB }) => mebibytes(driftPeakMiB)],
  ],
);

function printTable<Measured>(
  run: (backend: string, services: string) => Measured | string,
  columns: readonly (readonly [title: string, show: Show<Measured>])[],
): void {
  const rows: Row<Measured>[] = [];
  for (const backend of backends.split(',')) {
    for (const services of sizes.split(',')) rows.push({ backend, services, measured: run(backend, services) });
  }
  const shown = columns.map(([title, show], index) => ({
    title,
    // What says why there are no numbers stands once.
    value: ({ measured }: Row<Measured>): string => {
      if (typeof measured !== 'string') return show(measured);
      return index === 0 ? measured : '';
    },
  }));
  const names = [
    { title: 'backend', value: ({ backend }: Row<Measured>): string => backend },
    { title: 'services', value: ({ services }: Row<Measured>): string => services },
  ];
  console.log(formatTable<Row<Measured>>([...names, ...shown], rows));
}

/** What the script measured, or why there is nothing. */
function measure(name: string, backend: string, services: string, ...more: readonly string[]): unknown {
  const script = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const args = ['-n', process.execPath, script, backend, services, `${CHANGES[backend] ?? 20}`, ...more];
  const options = { encoding: 'utf8', timeout: TIME_LIMIT_MS, killSignal: 'SIGTERM' } as const;
  const { status, stdout, stderr } = spawnSync('unshare', args, options);
  if (status === 0) return JSON.parse(stdout);
  console.error(stderr);
  return status === null ? `not finished in ${seconds(TIME_LIMIT_MS)}` : `failed with ${status}`;
}

function mebibytes(value: number): string {
  return `${value.toFixed(0)} MiB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(2)} ms`;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
