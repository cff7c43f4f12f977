/** The watcher on a real kernel: rules in a network namespace, changed by somebody else, found by event and repaired. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { DriftReport, RulesBackend } from '@signalbox/contracts';
import { createLogger, createRegistry } from '@signalbox/kit';
import { type RenderOptions, renderRules } from '@signalbox/rules';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { describeWithPrograms } from '../../../../test/packets/requirements.ts';
import { createDriftMetrics, OwnProcesses, openDriftWatcher, openKernelMonitor, threadComparer } from './index.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const PLANS = [
  aPlan({ name: 'web', clusterIPs: ['10.96.0.1', 'fd00:96::1'] }),
  aPlan({ name: 'empty', clusterIPs: ['10.96.0.2'], ports: [aPort({ endpoints: [] })] }),
  aPlan({
    name: 'six',
    clusterIPs: ['fd00:96::3'],
    ports: [aPort({ endpoints: [anEndpoint({ address: 'fd00:244::1' })] })],
  }),
];

let namespace = '';
beforeEach(() => {
  namespace = `sb-drift-${process.pid}-${Math.trunc(performance.now())}`;
  spawnSync('ip', ['netns', 'add', namespace]);
});
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  spawnSync('ip', ['netns', 'del', namespace]);
});

/** Programs in the namespace of the test, as the agent runs them; their process numbers are noted. */
function programs(
  own: OwnProcesses,
): (call: { program: string; args: readonly string[]; input?: string }) => Promise<string> {
  return ({ program, args, input }) =>
    new Promise((resolve, reject) => {
      const child: ChildProcess = spawn('ip', ['netns', 'exec', namespace, program, ...args]);
      own.note(child.pid);
      let [output, complaint] = ['', ''];
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
      child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${program}: ${complaint}`))));
      child.stdin?.end(input ?? '');
    });
}

/** What an agent and its drift watcher are to each other. */
async function startNode(backend: RulesBackend) {
  const own = new OwnProcesses();
  const run = programs(own);
  const options: RenderOptions = {
    node: { name: 'n1', addresses: ['10.240.0.1', 'fd00:240::1'] },
    backend,
    families: ['IPv4', 'IPv6'],
    clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'],
  };
  const node = { version: 0, isApplying: false };
  const load = async (): Promise<void> => {
    node.isApplying = true;
    for (const families of backend === 'nftables' ? [options.families] : options.families.map((one) => [one])) {
      const { text } = renderRules(PLANS, { ...options, families });
      const restore = families[0] === 'IPv6' ? 'ip6tables-restore' : 'iptables-restore';
      if (backend === 'nftables') await run({ program: 'nft', args: ['-f', '-'], input: text });
      else await run({ program: restore, args: ['--noflush'], input: text });
    }
    node.version += 1;
    node.isApplying = false;
  };
  await load();
  const reports: DriftReport[] = [];
  const registry = createRegistry();
  const metrics = createDriftMetrics(registry);
  const watcher = openDriftWatcher({
    cluster: 'c1',
    owner: 'signalbox',
    compareKernel: threadComparer({ owner: 'signalbox', commandPrefix: ['ip', 'netns', 'exec', namespace] }),
    expected: () => (node.isApplying ? undefined : { revision: 3, version: node.version, plans: PLANS, options }),
    repair: load,
    onReport: (report) => {
      reports.push(report);
      metrics.record(report);
    },
    logger,
    intervalMs: 3_600_000,
    quietMs: 50,
    minGapMs: 50,
  });
  let foreignChanges = 0;
  const recognised: number[] = [];
  const monitor = openKernelMonitor({
    backend,
    owner: 'signalbox',
    own: {
      has: (pid) => {
        if (own.has(pid)) recognised.push(pid);
        return own.has(pid);
      },
    },
    logger,
    onChange: () => {
      foreignChanges += 1;
      watcher.noteChange();
    },
    commandPrefix: ['ip', 'netns', 'exec', namespace],
  });
  monitor.ensure();
  const close = async (): Promise<void> => {
    await monitor.close();
    await watcher.stop();
  };
  closers.push(close);
  return { load, watcher, reports, registry, recognised, foreignChanges: () => foreignChanges };
}

function somebodyElse(...command: string[]): void {
  const { status, stderr } = spawnSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** The monitor tells nobody when it is ready: changes are made until one was seen. */
async function untilMonitored(foreignChanges: () => number): Promise<void> {
  const table = ['nft', 'add', 'element', 'ip', 'signalbox', 'cluster-ips'];
  await vi.waitUntil(
    () => {
      somebodyElse(...table, '{ 10.96.9.9 }');
      somebodyElse('nft', 'delete', 'element', 'ip', 'signalbox', 'cluster-ips', '{ 10.96.9.9 }');
      return foreignChanges() > 0;
    },
    { timeout: 10_000, interval: 50 },
  );
}

describeWithPrograms('drift on nftables', ['ip', 'nft'], () => {
  test('a change by somebody else is found without the timer, and repaired', { timeout: 30_000 }, async () => {
    const node = await startNode('nftables');
    await untilMonitored(node.foreignChanges);
    somebodyElse('nft', 'delete element ip signalbox service-ips { 10.96.0.1 . tcp . 80 }');
    const found = await vi.waitUntil(() => node.reports.find(({ repaired }) => repaired), { timeout: 10_000 });
    expect(found.differences).toContainEqual(
      expect.objectContaining({ family: 'IPv4', service: 'shop/web', what: 'missing', where: 'nat' }),
    );
    expect((await node.watcher.check())?.totals).toEqual({ added: 0, missing: 0, changed: 0 });
    const text = await node.registry.metrics();
    expect(text).toContain('signalbox_drift_differences{what="missing"} 0');
    expect(text).toMatch(/signalbox_drift_checks_total\{outcome="different"\} [1-9]/);
    expect(text).toMatch(/signalbox_drift_repairs_total [1-9]/);
  });

  test('own transactions are nobody else’s', { timeout: 30_000 }, async () => {
    const node = await startNode('nftables');
    await untilMonitored(node.foreignChanges);
    await node.load();
    await vi.waitUntil(() => node.recognised.length > 0, { timeout: 10_000 });
  });

  test('a table that is gone comes back, with all that is known of it', { timeout: 30_000 }, async () => {
    const node = await startNode('nftables');
    somebodyElse('nft', 'delete table ip6 signalbox');
    const report = await node.watcher.check();
    expect(report).toMatchObject({ repaired: true, error: '' });
    expect(report?.differences.every(({ family, what }) => family === 'IPv6' && what === 'missing')).toBe(true);
  });
});

describeWithPrograms('drift on iptables', ['ip', 'iptables-restore', 'ip6tables-restore', 'iptables-save'], () => {
  test('what is flushed in the filter only is found and repaired', { timeout: 30_000 }, async () => {
    const node = await startNode('iptables');
    somebodyElse('iptables', '-F', 'KUBE-SERVICES');
    const report = await node.watcher.check();
    expect(report).toMatchObject({ repaired: true, totals: { added: 0, missing: 1, changed: 0 } });
    expect(report?.differences).toMatchObject([
      { service: 'shop/empty', where: 'filter', at: 'tcp 10.96.0.2:80', expected: 'reject', actual: '' },
    ]);
  });
});
