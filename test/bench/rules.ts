/**
 * `npm run bench:rules [-- nftables,iptables 1000,10000]`: each backend from nothing to programmed, and one endpoint's
 * change, in network namespaces. Needs root. Prints a table; decides nothing.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { formatTable } from '@signalbox/cli';
import type { RulesMeasurement } from './rules-process.ts';

const [backends = 'nftables,iptables', sizes = '1000,5000,10000'] = process.argv.slice(2);
const CHANGES: Readonly<Record<string, number>> = { nftables: 200, iptables: 20 };
/** So slow that one number is enough to say so. */
const TIME_LIMIT_MS = 300_000;

interface Row {
  readonly backend: string;
  readonly services: string;
  readonly measured: RulesMeasurement | string;
}

const rows: Row[] = [];
for (const backend of backends.split(',')) {
  for (const services of sizes.split(',')) rows.push({ backend, services, measured: measure(backend, services) });
}
console.log(
  formatTable<Row>(
    [
      { title: 'backend', value: ({ backend }) => backend },
      { title: 'services', value: ({ services }) => services },
      { title: 'rendered', value: shown(({ renderMs }) => seconds(renderMs)) },
      { title: 'cold start', value: shown(({ coldMs }) => seconds(coldMs)) },
      { title: 'its cpu', value: shown(({ coldCpuMs }) => seconds(coldCpuMs)) },
      { title: 'change p50', value: shown(({ changesMs }) => milliseconds(percentile(changesMs, 50))) },
      { title: 'p99', value: shown(({ changesMs }) => milliseconds(percentile(changesMs, 99))) },
      { title: 'of it in node p99', value: shown(({ updatesMs }) => milliseconds(percentile(updatesMs, 99))) },
      { title: 'agent peak', value: shown(({ agentPeakMiB }) => `${agentPeakMiB.toFixed(0)} MiB`) },
      { title: 'nft peak', value: shown(({ programPeakMiB }) => `${programPeakMiB.toFixed(0)} MiB`) },
    ],
    rows,
  ),
);

function measure(backend: string, services: string): RulesMeasurement | string {
  const script = fileURLToPath(new URL('rules-process.js', import.meta.url));
  const args = ['-n', process.execPath, script, backend, services, `${CHANGES[backend] ?? 20}`];
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: TIME_LIMIT_MS });
  if (status === 0) return JSON.parse(stdout) as RulesMeasurement;
  console.error(stderr);
  return status === null ? `not done in ${seconds(TIME_LIMIT_MS)}` : `failed with ${status}`;
}

function shown(show: (measured: RulesMeasurement) => string): (row: Row) => string {
  return ({ measured }) => (typeof measured === 'string' ? measured : show(measured));
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
