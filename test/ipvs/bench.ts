/**
 * `npm run bench:ipvs [-- BACKENDS SERVICES]`: what `npm run bench:rules` measures of rules and their programs, in a virtual
 * machine whose kernel has IPVS. Its clock counts instructions, 125 million a second, so the figures are those of a slow
 * machine that nothing disturbs: what they say is how the backends compare. Prints a table; decides nothing.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatTable } from '@signalbox/cli';
import type { RulesMeasurement } from '../bench/rules-process.ts';
import type { BenchAnswer, BenchRequest } from './guest/messages.ts';
import { kernelWithIpvs, pathsOf, ROOT, xtablesModules } from './machine-programs.ts';
import { nodeModules } from './node-modules.ts';
import { runMachine } from './virtual-machine.ts';

const [backends = 'nftables,ipvs', sizes = '100,1000'] = process.argv.slice(2);
const CHANGES = 50;
const TIMEOUT_MS = 60 * 60_000;
const PROGRAMS = [
  'ip',
  'ipset',
  'ipvsadm',
  'iptables',
  'iptables-restore',
  'iptables-save',
  'nft',
  'unshare',
  'sysctl',
];
const TERMINAL = '/lib/terminfo/l/linux';
const HERE = fileURLToPath(new URL('./', import.meta.url));

interface Row {
  readonly request: BenchRequest;
  readonly measured: RulesMeasurement | string;
}

const requests = backends
  .split(',')
  .flatMap((backend) =>
    sizes.split(',').map((services): BenchRequest => ({ backend, services: Number(services), changes: CHANGES })),
  );
const folder = mkdtempSync(join(tmpdir(), 'signalbox-ipvs-bench-'));
try {
  print(await measureAll(folder));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measureAll(folder: string): Promise<Row[]> {
  const rows: Row[] = [];
  const lines = runMachine({
    kernel: kernelWithIpvs(),
    folder,
    files: files(),
    programs: pathsOf(PROGRAMS),
    main: '/vm/bench.js',
    timeoutMs: TIMEOUT_MS,
  });
  console.error(`In a virtual machine under software emulation, ${requests.length} measurements of minutes each …`);
  for await (const line of lines) {
    const answer = JSON.parse(line) as BenchAnswer;
    const { backend, services } = answer.request;
    console.error(`${backend}, ${services} services`);
    const measured = 'error' in answer ? answer.error : (JSON.parse(answer.stdout) as RulesMeasurement);
    rows.push({ request: answer.request, measured });
  }
  return rows;
}

function files(): Map<string, Buffer | string> {
  const bench = ['rules-process.js', 'rules-plans.js'].map(
    (name) => [`/bench/${name}`, readFileSync(join(HERE, '../bench', name))] as const,
  );
  return new Map<string, Buffer | string>([
    ...nodeModules(ROOT, ['@signalbox/rules', '@signalbox/contracts'], '/node_modules'),
    ...xtablesModules(),
    ...bench,
    ['/package.json', JSON.stringify({ type: 'module' })],
    ['/vm/bench.js', readFileSync(join(HERE, 'guest/bench.js'))],
    ['/vm/requests.json', JSON.stringify(requests)],
    // `nft -i` complains where it knows nothing of its terminal.
    [TERMINAL, readFileSync(TERMINAL)],
  ]);
}

function print(rows: readonly Row[]): void {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  const of = (show: (measured: RulesMeasurement) => string, problem = '') => {
    return ({ measured }: Row): string => (typeof measured === 'string' ? problem : show(measured));
  };
  console.log(
    formatTable<Row>(
      [
        { title: 'backend', value: ({ request }) => request.backend },
        { title: 'services', value: ({ request }) => `${request.services}` },
        { title: 'rendered', value: of(({ renderMs }) => seconds(renderMs), 'failed') },
        { title: 'cold start', value: of(({ coldMs }) => seconds(coldMs)) },
        { title: 'change p50', value: of(({ changesMs }) => milliseconds(percentile(changesMs, 50))) },
        { title: 'p99', value: of(({ changesMs }) => milliseconds(percentile(changesMs, 99))) },
        { title: 'of it in node p50', value: of(({ updatesMs }) => milliseconds(percentile(updatesMs, 50))) },
        { title: 'agent peak', value: of(({ agentPeakMiB }) => `${agentPeakMiB.toFixed(0)} MiB`) },
      ],
      rows,
    ),
  );
  for (const { request, measured } of rows) {
    if (typeof measured === 'string') console.error(`${request.backend}, ${request.services} services: ${measured}`);
  }
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
