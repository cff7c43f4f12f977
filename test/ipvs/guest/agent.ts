/** A node agent with the IPVS backend: an event log in memory, the real programs, and somebody who interferes. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ackSchema,
  ackSubject,
  derivedSubject,
  driftReportSchema,
  driftSubject,
  type PlanEndpoint,
  type ProxyPlan,
  watermarkSubject,
} from '@signalbox/contracts';
import { type EventLog, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import { startNodeAgent } from '@signalbox/node-agent';
import { aNode, upsertOf } from '../../harness/objects.ts';
import { type Host, run } from './lab.ts';

const [CLUSTER, NODE, SERVICE] = ['vm', 'node-a', '10.96.2.1'];
const PODS = ['10.244.1.11', '10.244.1.12'] as const;
const MAIN = '/node_modules/@signalbox/node-agent/dist/main.js';
/** Of this machine's clock, which emulation makes slow. */
const PATIENCE_MS = 120_000;

export async function checkAgent(
  client: Host,
  check: (name: string, problem: string | undefined) => void,
): Promise<void> {
  const log = openSqliteEventLog({ path: ':memory:' });
  await log.append('objects', upsertOf(CLUSTER, aNode(NODE), Date.now()));
  const logger = createLogger({ component: 'node-agent', level: 'warn' });
  const options = {
    cluster: CLUSTER,
    node: NODE,
    backend: 'ipvs',
    families: ['IPv4'],
    clusterCIDRs: ['10.244.0.0/16'],
  } as const;
  const context = { log, logger, registry: createRegistry() };
  const agent = await startNodeAgent(context, { ...options, ackIntervalMs: 1, driftIntervalMs: 5_000 });
  const served = async (): Promise<string> => {
    const { outcomes, backends } = await client.probe({ id: SERVICE, proto: 'tcp', host: SERVICE, port: 80, times: 6 });
    return [...outcomes, ...backends].join();
  };
  const reached = (...pods: string[]): string => ['ok', ...pods.map((pod) => `${pod}:8080`)].join();
  const [first, second] = PODS;

  await putPlan(log, 1, PODS);
  check('an agent programs a service, and acknowledges it', await acknowledged(log, 1));
  check('which is served by all of its endpoints', unlessEqual(await served(), reached(first, second)));
  await putPlan(log, 2, [second]);
  check('it follows a change', await acknowledged(log, 2));
  check('which packets follow', unlessEqual(await served(), reached(second)));

  run('ipvsadm', ['-d', '-t', `${SERVICE}:80`, '-r', `${second}:8080`]);
  check('it reports a real server that somebody deleted, and repairs', await repaired(log));
  check('after which packets are served again', unlessEqual(await served(), reached(second)));

  await agent.stop();
  check('its rules stay when it ends', unlessEqual(await served(), reached(second)));
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, '--cleanup', '--backend', 'ipvs'], {
    encoding: 'utf8',
  });
  check('--cleanup succeeds', status === 0 ? undefined : stdout + stderr);
  check('and leaves no virtual server', unlessEqual(run('ipvsadm', ['-S', '-n']).trim(), ''));
  const left = ['iptables-save', 'ip6tables-save'].flatMap((program) => run(program, []).match(/^:KUBE-\S+/gm) ?? []);
  check('no chain', unlessEqual(left.join(), ''));
  check('and no set', unlessEqual(run('ipset', ['list', '-name']).trim(), ''));
  await log.close();
}

async function putPlan(log: EventLog, revision: number, pods: readonly string[]): Promise<void> {
  const endpoints = pods.map(
    (address): PlanEndpoint => ({
      address,
      family: 'IPv4',
      port: 8080,
      ready: true,
      serving: true,
      terminating: false,
      node: NODE,
    }),
  );
  const plan: ProxyPlan = {
    cluster: CLUSTER,
    namespace: 'shop',
    name: 'web',
    type: 'ClusterIP',
    clusterIPs: [SERVICE],
    externalIPs: [],
    loadBalancerVIPs: [],
    loadBalancerSourceRanges: [],
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [{ name: '', protocol: 'TCP', port: 80, endpoints }],
  };
  const message = { revision, changedAtMs: Date.now(), contentHash: `${revision}`, document: plan, skipped: [] };
  const watermark = {
    layer: 'proxy',
    revision,
    clusters: { [CLUSTER]: { domain: 'cluster.local' } },
    skippedServices: 0,
  };
  await log.appendAll('derived', [
    { subject: derivedSubject('proxy', plan), data: JSON.stringify(message) },
    { subject: watermarkSubject('proxy'), data: JSON.stringify(watermark) },
  ]);
}

async function acknowledged(log: EventLog, revision: number): Promise<string | undefined> {
  const subject = ackSubject({ layer: 'proxy', cluster: CLUSTER, consumer: NODE });
  return await until(log, subject, (data) => ackSchema.parse(data).revision >= revision);
}

async function repaired(log: EventLog): Promise<string | undefined> {
  return await until(log, driftSubject(CLUSTER, NODE), (data) => {
    const { repaired, differences } = driftReportSchema.parse(data);
    return repaired && differences.some(({ service, at }) => service === 'shop/web' && at === `tcp ${SERVICE}:80`);
  });
}

/** What the subject held at last when that never was as it should be. */
async function until(log: EventLog, subject: string, isSo: (data: unknown) => boolean): Promise<string | undefined> {
  const deadline = Date.now() + PATIENCE_MS;
  let last: string | null = null;
  while (Date.now() < deadline) {
    last = (await log.last('status', subject))?.data ?? null;
    if (last !== null && isSo(JSON.parse(last))) return undefined;
    await sleep(50);
  }
  return last ?? 'nothing was said';
}

function unlessEqual(value: string, expected: string): string | undefined {
  return value === expected ? undefined : `${value}, not ${expected}`;
}
