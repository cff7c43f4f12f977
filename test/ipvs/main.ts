/**
 * `npm run test:ipvs`: the recorded cluster's rules for node-a, in a virtual machine whose kernel has IPVS; real TCP and UDP
 * through them, compared with what a real kube-proxy did; the rules read back; and a node agent.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { driftProblems } from './drift.ts';
import type { GuestListing, GuestMessage, ProbeResult } from './guest/messages.ts';
import { filesOfFolder, kernelWithIpvs, pathsOf, ROOT, xtablesModules } from './machine-programs.ts';
import { nodeModules } from './node-modules.ts';
import { differenceOf, expectedOfIpvs, probesByHost, type RecordedProbe, recordedProbes } from './recorded-probes.ts';
import { runMachine } from './virtual-machine.ts';

const GUEST = fileURLToPath(new URL('guest/', import.meta.url));
const PROGRAMS = ['ip', 'ipset', 'ipvsadm', 'iptables', 'ip6tables'].concat([
  'iptables-restore',
  'ip6tables-restore',
  'iptables-save',
  'ip6tables-save',
  'nft',
  'conntrack',
]);
/** What the agent of the machine runs on. */
const MODULES = ['@signalbox/node-agent', '@signalbox/event-log', '@signalbox/kit', '@signalbox/contracts'];
const HARNESS = fileURLToPath(new URL('../harness/', import.meta.url));
/** A few minutes, where the machine around it has nothing else to do. */
const TIMEOUT_MS = 20 * 60_000;

const started = performance.now();
const recorded = recordedProbes(ROOT);
const folder = mkdtempSync(join(tmpdir(), 'signalbox-ipvs-'));
try {
  report(recorded, await runGuest(recorded, folder));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

interface Outcome {
  readonly results: ReadonlyMap<string, ProbeResult>;
  /** Transitions, drift, and the agent, with what went wrong. */
  readonly checks: ReadonlyMap<string, string | undefined>;
}

async function runGuest(probes: readonly RecordedProbe[], folder: string): Promise<Outcome> {
  const results = new Map<string, ProbeResult>();
  const checks = new Map<string, string | undefined>();
  const listings: GuestListing[] = [];
  const lines = runMachine({
    kernel: kernelWithIpvs(),
    folder,
    files: filesOf(probes),
    programs: pathsOf(PROGRAMS),
    main: '/vm/main.js',
    timeoutMs: TIMEOUT_MS,
  });
  for await (const line of lines) {
    const message = JSON.parse(line) as GuestMessage;
    if (message.type === 'step') console.error(`${message.uptimeSeconds.toFixed(1)} s  ${message.text}`);
    if (message.type === 'result') results.set(message.result.id, message.result);
    if (message.type === 'check') checks.set(message.name, message.problem);
    if (message.type === 'listing') listings.push(message.listing);
    if (message.type === 'end' && message.error !== undefined) throw new Error(`in the machine: ${message.error}`);
  }
  for (const [name, problem] of driftProblems(ROOT, listings)) checks.set(name, problem);
  return { results, checks };
}

function filesOf(probes: readonly RecordedProbe[]): ReadonlyMap<string, Buffer | string> {
  return new Map<string, Buffer | string>([
    ...nodeModules(ROOT, MODULES, '/node_modules'),
    ...xtablesModules(),
    ...filesOfFolder(GUEST, '/vm', (name) => name.endsWith('.js')),
    ['/package.json', JSON.stringify({ type: 'module' })],
    ['/harness/objects.js', readFileSync(join(HARNESS, 'objects.js'))],
    ['/vm/probes.json', JSON.stringify(probesByHost(probes))],
    ['/vm/rules4.sh', renderRules('ipv4')],
    ['/vm/rules6.sh', renderRules('ipv6')],
  ]);
}

/** As a user would. */
function renderRules(family: string): string {
  const manifests = 'recorded=test/fixtures/kubernetes-1.36/lists';
  const command = `render rules --manifests ${manifests} --node node-a --backend ipvs --family ${family}`;
  const args = `${command} --cluster-cidr 10.244.0.0/16,fd00:244::/32`.split(' ');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['packages/cli/bin/signalbox.js', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`signalbox render rules ended with ${status}: ${stderr}`);
  return stdout;
}

function report(probes: readonly RecordedProbe[], { results, checks }: Outcome): void {
  const problems = new Map(checks);
  for (const each of probes) {
    const result = results.get(each.id);
    problems.set(each.id, result === undefined ? 'was not sent' : differenceOf(expectedOfIpvs(each), result));
  }
  const failed = [...problems].filter(([, problem]) => problem !== undefined);
  for (const [name, problem] of failed) console.log(`FAILED ${name}: ${problem}`);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${problems.size - failed.length} passed, ${failed.length} failed, in ${seconds} s`);
  if (failed.length > 0 || checks.size === 0) process.exitCode = 1;
}
