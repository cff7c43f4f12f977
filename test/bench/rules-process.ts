/**
 * One measurement of `npm run bench:rules`, alone in a network namespace: how long until the kernel has everything, and
 * until it has one endpoint's change. With `render`, no program is run: what is left is the state machine and its text.
 * Prints one line of JSON.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { NodeRules, type RulesBackend, type RulesStep } from '@signalbox/rules';
import { CLUSTER_CIDRS, changedPlan, NODE, NODE_ADDRESS, planOf } from './rules-plans.ts';

export interface RulesMeasurement {
  readonly backend: string;
  readonly services: number;
  readonly renderMs: number;
  readonly coldMs: number;
  /** Processor time of the same, programs included: on a busy machine the only one of the two that can be compared. */
  readonly coldCpuMs: number;
  readonly changesMs: readonly number[];
  /** Of which the state machine took this long; the rest is the kernel's and its programs'. */
  readonly updatesMs: readonly number[];
  readonly agentPeakMiB: number;
  readonly programPeakMiB: number;
  /** False: nothing but rendered. */
  readonly isRun: boolean;
}

const DESCRIPTION = 'describe ip daddr';

/** Programs that run as long as the agent does would not be started for each change. */
type Runner = (step: RulesStep) => Promise<void>;

async function measure(
  backend: RulesBackend,
  services: number,
  changes: number,
  isRun: boolean,
): Promise<RulesMeasurement> {
  const plans = Array.from({ length: services }, (_, index) => planOf(index));
  const startCpuMs = cpuMs();
  const start = performance.now();
  const rules = new NodeRules({
    node: { name: NODE, addresses: [NODE_ADDRESS] },
    backend,
    families: ['IPv4'],
    clusterCIDRs: CLUSTER_CIDRS,
  });
  const { steps } = rules.reset(plans);
  const renderMs = performance.now() - start;
  if (isRun) for (const step of steps) await runOnce(step);
  const coldMs = performance.now() - start;
  const coldCpuMs = cpuMs() - startCpuMs;
  const nft = isRun && backend === 'nftables' ? startNft() : undefined;
  const run: Runner = isRun ? (nft?.run ?? runOnce) : async () => {};
  const changesMs: number[] = [];
  const updatesMs: number[] = [];
  for (let index = 0; index < changes; index += 1) {
    const plan = changedPlan(index, services);
    const begin = performance.now();
    const update = rules.update([{ key: plan, plan }]);
    updatesMs.push(performance.now() - begin);
    for (const step of update.steps) await run(step);
    changesMs.push(performance.now() - begin);
  }
  const programPeakMiB = nft === undefined ? 0 : peakMiBOf(nft.pid);
  nft?.stop();
  const agentPeakMiB = process.resourceUsage().maxRSS / 1024;
  return { backend, services, renderMs, coldMs, coldCpuMs, changesMs, updatesMs, agentPeakMiB, programPeakMiB, isRun };
}

async function runOnce({ program, args, input }: RulesStep): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(input);
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

/** One transaction a line; a command that says something without asking the kernel tells that the line before is done. */
function startNft(): { run: Runner; stop: () => void; pid: number } {
  const child: ChildProcessWithoutNullStreams = spawn('nft', ['-i']);
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint += data.toString();
  });
  const run: Runner = async ({ input }) => {
    child.stdin.write(`${input.trimEnd().replaceAll('\n', '; ')}\n${DESCRIPTION}\n`);
    for (let said = ''; !said.includes('datatype'); )
      said += String(((await once(child.stdout, 'data')) as [Buffer])[0]);
    if (complaint !== '') throw new Error(complaint);
  };
  return { run, stop: () => child.stdin.end(), pid: child.pid ?? 0 };
}

/** Of this process and of its children that have ended: fields 14 to 17 of proc(5)'s stat, in hundredths of a second. */
function cpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

function peakMiBOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

const [backend = '', services = '', changes = '', mode = ''] = process.argv.slice(2);
const isRun = mode !== 'render';
console.log(JSON.stringify(await measure(backend as RulesBackend, Number(services), Number(changes), isRun)));
