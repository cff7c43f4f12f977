/**
 * One measurement of `npm run bench:rules`, alone in a network namespace: how long until the kernel has everything, and
 * until it has one endpoint's change. Prints one line of JSON.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { PlanEndpoint, ProxyPlan } from '@signalbox/contracts';
import { NodeRules, type RulesBackend, type RulesStep } from '@signalbox/rules';

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
}

const ENDPOINTS = 10;
const DESCRIPTION = 'describe ip daddr';

/** Programs that run as long as the agent does would not be started for each change. */
type Runner = (step: RulesStep) => Promise<void>;

async function measure(backend: RulesBackend, services: number, changes: number): Promise<RulesMeasurement> {
  const plans = Array.from({ length: services }, (_, index) => planOf(index, 0));
  const startCpuMs = cpuMs();
  const start = performance.now();
  const rules = new NodeRules({
    node: { name: 'node-0', addresses: ['10.240.0.1'] },
    backend,
    families: ['IPv4'],
    clusterCIDRs: ['10.244.0.0/16'],
  });
  const { steps } = rules.reset(plans);
  const renderMs = performance.now() - start;
  for (const step of steps) await runOnce(step);
  const coldMs = performance.now() - start;
  const coldCpuMs = cpuMs() - startCpuMs;
  const nft = backend === 'nftables' ? startNft() : undefined;
  const run: Runner = nft === undefined ? runOnce : nft.run;
  const changesMs: number[] = [];
  const updatesMs: number[] = [];
  for (let index = 0; index < changes; index += 1) {
    const plan = planOf((index * 7919) % services, index + 1);
    const begin = performance.now();
    const update = rules.update([{ key: plan, plan }]);
    updatesMs.push(performance.now() - begin);
    for (const step of update.steps) await run(step);
    changesMs.push(performance.now() - begin);
  }
  const programPeakMiB = nft === undefined ? 0 : peakMiBOf(nft.pid);
  nft?.stop();
  const agentPeakMiB = process.resourceUsage().maxRSS / 1024;
  return { backend, services, renderMs, coldMs, coldCpuMs, changesMs, updatesMs, agentPeakMiB, programPeakMiB };
}

function planOf(index: number, change: number): ProxyPlan {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, number): PlanEndpoint => {
    const host = index * ENDPOINTS + number;
    const third = number === 0 && change > 0 ? 200 + (change % 50) : (host >> 8) & 255;
    return {
      address: `10.${100 + ((host >> 16) & 127)}.${third}.${host & 255}`,
      family: 'IPv4',
      port: 8080,
      ready: true,
      serving: true,
      terminating: false,
      node: `node-${host % 1000}`,
    };
  });
  return {
    cluster: 'bench',
    namespace: `ns-${index % 50}`,
    name: `service-${index}`,
    type: 'ClusterIP',
    clusterIPs: [`10.96.${index >> 8}.${index & 255}`],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [{ name: 'http', protocol: 'TCP', port: 80, endpoints }],
  };
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

const [backend = '', services = '', changes = ''] = process.argv.slice(2);
console.log(JSON.stringify(await measure(backend as RulesBackend, Number(services), Number(changes))));
